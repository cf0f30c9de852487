"""The latest frame of each camera, encoded at most once a second however many viewers there are."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO

from PIL import Image

from workers.clock import Clock, SystemClock
from workers.stream.latest_frame import QUALITY, LatestFrame

FRESH_S = 1.0
WIDTHS = (160, 320, 640)  # what is asked for is rounded up to one of these, or the frame as it is


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG. ``etag`` changes with its content; ``wall``: Unix seconds of the frame."""

    jpeg: bytes
    etag: str
    wall: float


@dataclass(slots=True)
class _Held:
    mutex: threading.Lock = field(default_factory=threading.Lock)
    until: float = float("-inf")  # monotonic
    frame: LatestFrame | None = None
    pictures: dict[int | None, Picture] = field(default_factory=dict)  # by width


class FrameCache:
    """Fetches frames by ``fetch`` (a camera's name to its latest frame, or None). From any thread."""

    def __init__(self, fetch: Callable[[str], LatestFrame | None], clock: Clock | None = None) -> None:
        self._fetch, self._clock = fetch, clock or SystemClock()
        self._held: defaultdict[str, _Held] = defaultdict(_Held)

    def fresh(self, camera: str, width: int | None = None) -> Picture | None:
        """Return the picture that ``picture`` would return if that is known already, without waiting; else None."""
        held = self._held.get(camera)
        if held is None or held.frame is None or self._clock.monotonic() >= held.until:
            return None
        return held.pictures.get(_width(held.frame, width))

    def picture(self, camera: str, width: int | None = None) -> Picture | None:
        """Return the latest frame of a camera that exists, at least ``width`` wide where the frame is; None without.

        Raise ``ServiceLost`` where the stream does not respond. Viewers that come meanwhile wait for the same frame.
        """
        held = self._held[camera]
        with held.mutex:
            now = self._clock.monotonic()
            if now >= held.until:
                held.frame, held.pictures = None, {}
                held.until = now + FRESH_S
                held.frame = self._fetch(camera)
            if held.frame is None:
                return None
            chosen = _width(held.frame, width)
            if chosen not in held.pictures:
                held.pictures[chosen] = _picture(held.frame, chosen)
            return held.pictures[chosen]


def _width(frame: LatestFrame, wanted: int | None) -> int | None:
    """Return the width in which a frame is given; None: as it is."""
    return next((w for w in WIDTHS if wanted is not None and wanted <= w < frame.width), None)


def _picture(frame: LatestFrame, width: int | None) -> Picture:
    jpeg = frame.jpeg if width is None else _resized(frame, width)
    return Picture(jpeg, f'"{sha256(jpeg).hexdigest()[:20]}"', frame.wall)


def _resized(frame: LatestFrame, width: int) -> bytes:
    out = BytesIO()
    with Image.open(BytesIO(frame.jpeg)) as picture:
        height = max(1, round(frame.height * width / frame.width))
        picture.resize((width, height), Image.Resampling.BILINEAR).save(out, format="JPEG", quality=QUALITY)
    return out.getvalue()
