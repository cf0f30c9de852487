"""Features at the precision of the index.

A stream decides on rounded features, whether or not the index is on: so the decisions can be made again from what is
stored, and are the same. ADR 0046 has the errors.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.types import F32, F64, SOUND_CLASSES, Detections
from workers.items import MOST_OBJECTS
from workers.types import SAMPLE_RATE_HZ

I8 = NDArray[np.int8]
U2 = NDArray[np.uint16]
INT8_MAX = 127
NEVER = 2**31 - 1  # samples
HEARD = 0.03  # probability below which a class of sound counts as not heard; the rarest that an event needs is 0.15


def rounded_rows(rows: F32) -> tuple[I8, F32]:
    """Return int8[N, D] and scales f32[N] whose product is ``rows`` to half a step (largest of the row / 127).

    A row that is not finite has the scale NaN.
    """
    scale = np.abs(rows).max(axis=-1, initial=0.0) / np.float32(INT8_MAX)  # NaN and infinity stay
    finite = np.isfinite(scale)
    steps = np.where(finite, 1 / np.maximum(scale, np.finfo(np.float32).tiny), 0)[..., None]
    values = np.rint(np.where(finite[..., None], rows, 0) * steps)
    return values.astype(np.int8), np.where(finite, scale, np.nan).astype(np.float32)


def rows_of(values: I8, scale: F32) -> F32:
    """Return f32[N, D]: the rows that were rounded."""
    return np.asarray(values * scale[..., None], np.float32)


def rounded_objects(detections: Detections) -> dict[str, NDArray[Any]]:
    """Return the objects of frames f32[N, M, 8] as columns: how many each frame has, and what each is."""
    real = np.isfinite(detections[..., 1])
    if detections.shape[1] > MOST_OBJECTS:  # no detector reports so many
        real &= np.cumsum(real, axis=1) <= MOST_OBJECTS
    rows = detections[real]
    return {
        "objects": real.sum(axis=1).astype("u1"),
        "object_class": rows[:, 0].astype("u1"),
        "object_logit": rows[:, 1].clip(-6e4, 6e4).astype("<f2"),
        "object_box": np.rint(rows[:, 2:6].clip(0, 1) * 255).astype("u1"),
        "object_colours": np.rint(rows[:, 6:].clip(0, 1) * 255).astype("u1"),
    }


def object_rows(
    classes: NDArray[np.uint8], logits: NDArray[np.float16], boxes: NDArray[np.uint8], colours: NDArray[np.uint8]
) -> F32:
    """Return f32[n, 8]: rows of detections."""
    return np.column_stack([classes, logits, boxes / np.float32(255), colours / np.float32(255)]).astype(np.float32)


def padded(objects: NDArray[np.uint8], rows: F32, most: int = MOST_OBJECTS) -> Detections:
    """Return f32[N, M, 8] for the numbers of objects u8[N] of frames, at most ``most``, and the rows f32[n, 8]."""
    out = np.full((len(objects), most, 8), -np.inf, np.float32)
    out[..., 6:] = 0
    out[np.arange(most) < objects[:, None]] = rows
    return out


def rounded_sounds(p: F32) -> dict[str, NDArray[Any]]:
    """Return probabilities f32[N, K] of classes of sound as columns: the classes that are heard, and how probably."""
    heard = p >= HEARD
    return {
        "sound_classes": heard.sum(axis=1).astype("<u2"),
        "heard_class": np.nonzero(heard)[1].astype("<u2"),
        "heard_p": np.rint(p[heard].clip(0, 1) * 255).astype("u1"),
    }


def sound_rows(classes: U2, heard_class: U2, heard_p: NDArray[np.uint8]) -> F32:
    """Return f32[N, K]: probabilities of the classes of sound; 0 where a class is not heard."""
    out = np.zeros((len(classes), SOUND_CLASSES), np.float32)
    out[np.repeat(np.arange(len(classes)), classes), heard_class] = heard_p / np.float32(255)
    return out


def samples(start: F64, end: F64) -> NDArray[np.int64]:
    """Return i64[N]: samples from ``start`` to ``end``, stream seconds; ``NEVER`` where ``end`` is infinite."""
    return np.rint(np.clip((end - start) * SAMPLE_RATE_HZ, -NEVER, NEVER)).astype(np.int64)


def ends(start: F64, count: NDArray[np.integer[Any]]) -> F64:
    """Return f64[N]: stream seconds so many samples after ``start``."""
    return start + count / SAMPLE_RATE_HZ
