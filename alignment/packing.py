"""Arrays with a JSON document about them, as safetensors, which contain no code."""

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from alignment.errors import FeatureError

_ABOUT = "about"  # the tensor with the JSON document: ``load`` does not return metadata

Arrays = Mapping[str, NDArray[np.generic]]


def pack(form: str, arrays: Arrays, about: Mapping[str, object]) -> bytes:
    """Return arrays with a document ``about`` them; ``form``: the format's name and version."""
    document = json.dumps({"format": form, **about}, ensure_ascii=False).encode()
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(whole | {_ABOUT: np.frombuffer(document, np.uint8)})


def unpack(form: str, content: bytes, what: str, hint: str) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
    """Return arrays and the document about them; raise ``FeatureError``, which calls them ``what``."""
    try:
        arrays = load(content)
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        if about.pop("format") != form:
            raise ValueError("another format")
    except (SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise FeatureError(f"{what} cannot be read: {error}", hint) from error
    return arrays, about
