"""The latest sampled frame of a stream, as a picture for somebody who looks at the camera now."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from workers.types import U8, FrameBatch

QUALITY = 85


@dataclass(frozen=True, slots=True)
class LatestFrame:
    """One sampled frame, masked and blurred as it is analysed. ``time_s``: stream seconds; ``wall``: Unix seconds."""

    jpeg: bytes
    width: int
    height: int
    time_s: float
    wall: float


class FrameHolder:
    """Holds the last frame that passed; it is encoded only when it is requested. For any threads."""

    def __init__(self) -> None:
        self._last: tuple[float, float, U8] | None = None

    def keep(self, batch: FrameBatch) -> None:
        """Hold the last frame of a batch."""
        if len(batch.frames):
            self._last = float(batch.pts_s[-1]), float(batch.wall_time[-1]), batch.frames[-1]

    def latest(self) -> LatestFrame | None:
        """Return the frame as a JPEG, None before the first; takes about 3 ms."""
        last = self._last
        if last is None:
            return None
        time_s, wall, frame = last
        out = BytesIO()
        Image.fromarray(frame).save(out, format="JPEG", quality=QUALITY)
        return LatestFrame(out.getvalue(), frame.shape[1], frame.shape[0], time_s, wall)
