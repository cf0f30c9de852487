"""Frames of an event that are kept for a second opinion: small JPEGs over its span, with what was detected in them.

They are frames as the stream decided on them: what masks and blurring hide is hidden in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignment.errors import FeatureError
from alignment.packing import pack, unpack

FORMAT = "watchword-frames/1"
MOST = 8
_WHAT, _HINT = "kept frames of an event", "remove the file; later events have files of their own"

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the frame's sides."""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """One frame at stream second ``t``, and the boxes of the objects that the description asks for."""

    t: float
    jpeg: bytes
    boxes: tuple[Box, ...] = ()


def pack_frames(frames: Sequence[KeptFrame], about: Mapping[str, object]) -> bytes:
    """Return frames as the content of a file; ``about``: ``start`` and ``end`` of a live event, Unix seconds."""
    boxes = [(n, *box) for n, frame in enumerate(frames) for box in frame.boxes]
    jpegs = {f"jpeg{n}": np.frombuffer(frame.jpeg, np.uint8) for n, frame in enumerate(frames)}
    places = {"times": np.array([frame.t for frame in frames]), "boxes": np.array(boxes, np.float64).reshape(-1, 5)}
    return pack(FORMAT, {**jpegs, **places}, about)


def frames_of(path: Path) -> tuple[KeptFrame, ...]:
    """Return the frames in a file, in order of time; none where there is no file.

    Raise ``FeatureError`` for a damaged one, and ``OSError``.
    """
    try:
        arrays, _ = unpack(FORMAT, path.read_bytes(), _WHAT, _HINT)
        boxes = [(int(n), (left, top, right, bottom)) for n, left, top, right, bottom in arrays["boxes"].tolist()]
        return tuple(
            KeptFrame(t, arrays[f"jpeg{n}"].tobytes(), tuple(box for m, box in boxes if m == n))
            for n, t in enumerate(arrays["times"].tolist())
        )
    except FileNotFoundError:
        return ()
    except (KeyError, TypeError, ValueError) as error:
        raise FeatureError(f"{_WHAT} are damaged: {error!r}", _HINT) from None


def span_of(content: bytes) -> tuple[float, float] | None:
    """Return start and end of the event of a file's content, Unix seconds, None if it is not live.

    Raise ``FeatureError``.
    """
    _, about = unpack(FORMAT, content, _WHAT, _HINT)
    start, end = about.get("start"), about.get("end")
    return (start, end) if isinstance(start, float) and isinstance(end, float) else None
