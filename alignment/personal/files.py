"""Samples and heads as safetensors, which contain no code: half precision, about 5 kB for an event that was seen."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from alignment.errors import FeatureError
from alignment.packing import pack, unpack
from alignment.personal.head import KINDS, Head
from alignment.personal.samples import Samples
from alignment.types import F32

FORMAT = "watchword-feedback/1"
_WHAT = "feedback of an event"
_HINT = "remove the file; the next click makes a new one"


def pack_samples(samples: Samples, about: Mapping[str, object]) -> bytes:
    """Return samples with a JSON document ``about`` them; features without a share are left out."""
    return pack(FORMAT, _tensors(samples), about)


def unpack_samples(content: bytes) -> tuple[Samples, dict[str, object]]:
    """Return samples and the document about them; raise ``FeatureError``."""
    tensors, about = unpack(FORMAT, content, _WHAT, _HINT)
    return _samples(tensors), about


def pack_head(head: Head, about: Mapping[str, object]) -> bytes:
    """Return a head with a JSON document ``about`` it."""
    return pack(FORMAT, _tensors(head.judged) | {"weights": head.weights, "lengths": np.array(head.lengths)}, about)


def unpack_head(content: bytes) -> tuple[Head, dict[str, object]]:
    """Return a head and the document about it; raise ``FeatureError``."""
    tensors, about = unpack(FORMAT, content, _WHAT, _HINT)
    judged, lengths = _samples(tensors), tensors.get("lengths", np.zeros(0)).astype(float)
    weights = tensors.get("weights", np.zeros(0)).astype(np.float32)
    if (
        weights.shape != (len(judged),)
        or lengths.shape != (3,)
        or not (np.isfinite(weights).all() and (lengths > 0).all())
    ):
        raise FeatureError("a head of feedback is damaged", _HINT)
    return Head(judged, weights, (float(lengths[0]), float(lengths[1]), float(lengths[2]))), about


def _tensors(samples: Samples) -> dict[str, NDArray[np.generic]]:
    shares = np.where(samples.shares < 0.01, 0, samples.shares)
    rows = {
        name: getattr(samples, name).astype(np.float16)
        if shares[:, m].any()
        else np.zeros((len(shares), 0), np.float16)
        for m, name in enumerate(KINDS)
    }
    return {**rows, "shares": shares.astype(np.float32), "logits": samples.logits}


def _samples(tensors: Mapping[str, NDArray[np.generic]]) -> Samples:
    try:
        samples = Samples(**{f.name: np.asarray(tensors[f.name], np.float32) for f in fields(Samples)})
    except KeyError as error:
        raise FeatureError(f"feedback of an event is damaged: it has no {error}", _HINT) from None
    rows: list[F32] = [getattr(samples, f.name) for f in fields(Samples)]
    if any(len(r) != len(samples) or not np.isfinite(r).all() for r in rows) or samples.shares.shape[1:] != (3,):
        raise FeatureError("feedback of an event is damaged", _HINT)
    return samples
