"""A test pattern: colour bars, a white box that crosses the frame in ten seconds, and optionally a tone.

``synthetic://pattern?seconds=10&width=640&height=360&fps=25&tone=440&pace=1``; ``seconds=0`` never ends,
``pace=1`` runs in real time as a live source.
"""

import hashlib
from collections.abc import Iterator
from threading import Event
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from av import VideoFrame

from workers.clock import Clock
from workers.errors import SourceUnsupported
from workers.sources.base import WithoutClips
from workers.sources.counters import Counters
from workers.sources.decode.demux import make_grid
from workers.sources.decode.scaling import FrameScaler
from workers.types import (
    SAMPLE_RATE_HZ,
    U8,
    AudioChunk,
    CameraSpec,
    FrameBatch,
    FrameSpec,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

_DEFAULTS = {"seconds": 10.0, "width": 640.0, "height": 360.0, "fps": 25.0, "tone": 0.0, "pace": 0.0}
_BARS = np.array(
    [
        [235, 235, 235],
        [235, 235, 16],
        [16, 235, 235],
        [16, 235, 16],
        [235, 16, 235],
        [235, 16, 16],
        [16, 16, 235],
    ],
    np.uint8,
)


class SyntheticSource(WithoutClips):
    """A ``Source`` that draws only the sampled frames; it never drops any."""

    def __init__(self, camera: CameraSpec, spec: FrameSpec, clock: Clock) -> None:
        self._camera = camera
        self._clock = clock
        self._scaler = FrameScaler(spec, camera.blur_faces, camera.masks)
        self._counters = Counters()
        self._stop = Event()
        self._values = self._parse()
        self._grid = make_grid(camera)
        self._start = clock.wall() if self._values["pace"] else 0.0
        self._began = clock.monotonic()

    def open(self) -> SourceInfo:
        """Return the properties that the URL defines."""
        v = self._values
        return SourceInfo(
            key=hashlib.sha256(self._camera.url.reveal().encode()).hexdigest()[:16],
            live=bool(v["pace"]),
            has_video=True,
            has_audio=self._sounds,
            width=int(v["width"]),
            height=int(v["height"]),
            duration_s=v["seconds"] or None,
        )

    def items(self) -> Iterator[SourceItem]:
        """Yield a frame for every grid step, and a second of tone for every second."""
        self._counters.set_up(True)
        heard = 0
        n = 0
        while not self._stop.is_set():
            t = n / self._values["fps"]
            over = bool(self._values["seconds"]) and t >= self._values["seconds"]
            while self._sounds and (heard + 1 <= t or (over and heard < self._values["seconds"])):
                yield self._tone(heard)
                heard += 1
            if over:
                break
            if self._grid.take(self._start + t):
                self._pace(t)
                yield self._frame(t)
            n += 1
        self._counters.set_up(False)

    def stop(self) -> None:
        """Make ``items`` end soon."""
        self._stop.set()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        return self._counters.snapshot()

    def close(self) -> None:
        """Do nothing: no resources are held."""

    @property
    def _sounds(self) -> bool:
        return self._camera.audio and self._values["tone"] > 0

    def _parse(self) -> dict[str, float]:
        query = parse_qsl(urlsplit(self._camera.url.reveal()).query)
        values = dict(_DEFAULTS)
        for key, text in query:
            try:
                values[key] = {**_DEFAULTS, key: float(text)}[key] if key in _DEFAULTS else float("nan")
            except ValueError:
                values[key] = float("nan")
            if not 0 <= values[key] < 1e9 or (values[key] == 0 and key in ("width", "height", "fps")):
                known = ", ".join(_DEFAULTS)
                raise SourceUnsupported(
                    f"{self._camera.name}: bad value or name in synthetic URL: {key}", f"numbers for {known}"
                )
        return values

    def _pace(self, t: float) -> None:
        """Wait until ``t`` is due, if the source runs in real time."""
        while self._values["pace"] and not self._stop.is_set():
            ahead = self._began + t - self._clock.monotonic()
            if ahead <= 0:
                return
            self._clock.sleep(min(ahead, 0.5))

    def _frame(self, t: float) -> FrameBatch:
        frame = VideoFrame.from_ndarray(self._picture(t), format="rgb24")
        wall = self._clock.wall()
        self._counters.decoded(1)
        self._counters.sampled(1, 0, wall)
        pts = np.array([self._start + t])
        return FrameBatch(self._camera.name, 0, pts, np.array([wall]), self._scaler(frame)[None])

    def _picture(self, t: float) -> U8:
        width, height = int(self._values["width"]), int(self._values["height"])
        columns = _BARS[np.arange(width) * len(_BARS) // width]
        picture = np.broadcast_to(columns, (height, width, 3)).copy()
        side = max(1, min(width, height) // 6)
        left = int((t % 10.0) / 10.0 * max(1, width - side))
        top = (height - side) // 2
        picture[top : top + side, left : left + side] = 255
        return picture

    def _tone(self, second: int) -> AudioChunk:
        length = min(1.0, (self._values["seconds"] or second + 1) - second)
        t = second + np.arange(round(length * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        samples = (0.3 * np.sin(2 * np.pi * self._values["tone"] * t)).astype(np.float32)
        return AudioChunk(self._camera.name, 0, self._start + second, samples)
