"""Frames that a program of the same process pushes, as a source."""

import threading
from collections import deque
from collections.abc import Iterator
from math import isfinite
from uuid import uuid4

import numpy as np
from av import VideoFrame

from workers.clock import Clock, SystemClock
from workers.sources.base import WithoutClips
from workers.sources.clips.encode import FramePainter
from workers.sources.clips.making import jpeg, look_of
from workers.sources.counters import Counters
from workers.sources.decode.demux import make_grid
from workers.sources.decode.scaling import FrameScaler
from workers.types import U8, CameraSpec, FrameBatch, FrameSpec, Interruption, SourceInfo, SourceItem, SourceSnapshot

MAX_WAITING = 64  # sampled frames, at the size of the encoder's input: about 20 MB
MAX_BATCH = 16
KEEP_PICTURES = 96  # whole frames, as JPEG of up to 1280 pixels: about 20 MB
GAP_S = 30.0  # without frames: what happens after it is another event, and the frame before it is no longer valid


class PushedSource(WithoutClips):
    """A lossless ``Source``: ``push`` waits while too many frames wait. Time is that of the pushed frames.

    A gap of more than ``GAP_S`` (or two hops) starts a new segment. Use it from one thread at a time. ``pictures``:
    keep the latest frames whole, for the pictures of events; each costs about 10 ms.
    """

    def __init__(self, camera: CameraSpec, spec: FrameSpec, clock: Clock | None = None, pictures: bool = False) -> None:
        self._name, self._clock = camera.name, clock or SystemClock()
        self._scaler = FrameScaler(spec, camera.blur_faces, camera.masks)
        self._grid, self._gap_s = make_grid(camera), max(GAP_S, 2 * camera.hop_s)
        self._painter = FramePainter(look_of(camera, of_picture=True)) if pictures else None
        self._pictures: deque[tuple[float, bytes]] = deque(maxlen=KEEP_PICTURES)
        self._counters, self._key = Counters(), uuid4().hex[:16]
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, float, U8]] = deque()
        self._size: tuple[int, int] | None = None
        self._latest_s, self._segment = -float("inf"), 0
        self._ended = False

    def push(self, frame: U8, t: float) -> bool:
        """Take a frame u8[H, W, 3] RGB at ``t`` seconds; return False if the source is not read any more.

        Frames that the sampling rate does not need are passed over. Raise ``ValueError`` for what is no such frame, has
        another size than the first one, or is earlier than the last one.
        """
        self._check(frame, t)
        height, width, _ = frame.shape
        self._size = self._size or (width, height)
        gap = self._latest_s > -float("inf") and t - self._latest_s > self._gap_s
        self._latest_s, self._segment = t, self._segment + gap
        self._counters.decoded(1)
        if not self._grid.take(t):
            return not self._ended
        whole = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        scaled = self._scaler(whole)
        if self._painter is not None:
            self._pictures.append((t, jpeg(self._painter(whole), "")))
        with self._changed:
            while len(self._waiting) >= MAX_WAITING and not self._ended:
                self._changed.wait()
            if self._ended:
                return False
            self._waiting.append((self._segment, t, scaled))
            self._changed.notify_all()
        return True

    def end(self) -> None:
        """Make ``items`` end behind the frames that wait."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def open(self) -> SourceInfo:
        """Wait for the first frame; return what it is."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
        width, height = self._size or (0, 0)
        return SourceInfo(self._key, live=False, has_video=True, has_audio=False, width=width, height=height)

    def items(self) -> Iterator[SourceItem]:
        """Yield the frames that wait, in batches, until ``end``."""
        self._counters.set_up(True)
        current = 0
        while batch := self._take():
            for segment, frames in batch.items():
                if segment != current:
                    current = segment
                    yield Interruption(self._name, segment)
                yield self._batch(segment, frames)
        self._counters.set_up(False)

    def stop(self) -> None:
        """Make ``items`` end at once; frames that wait are dropped."""
        with self._changed:
            self._waiting.clear()
        self.end()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        return self._counters.snapshot()

    def picture(self, t: float) -> bytes:
        """Return the whole frame that was pushed at ``t`` as JPEG; raise ``ClipUnavailable`` if it is not kept."""
        kept = dict(tuple(self._pictures))
        return kept[t] if t in kept else super().picture(t)

    def close(self) -> None:
        """Take no more frames."""
        self.stop()

    def _take(self) -> dict[int, list[tuple[float, U8]]]:
        """Wait for frames; return up to ``MAX_BATCH`` of them by segment, none at the end."""
        found: dict[int, list[tuple[float, U8]]] = {}
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            for _ in range(min(MAX_BATCH, len(self._waiting))):
                segment, t, frame = self._waiting.popleft()
                found.setdefault(segment, []).append((t, frame))
            self._changed.notify_all()
        return found

    def _batch(self, segment: int, frames: list[tuple[float, U8]]) -> FrameBatch:
        wall = self._clock.wall()
        self._counters.sampled(len(frames), segment, wall)
        times = np.array([t for t, _ in frames])
        return FrameBatch(self._name, segment, times, np.full(len(frames), wall), np.stack([f for _, f in frames]))

    def _check(self, frame: U8, t: float) -> None:
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            what = f"{frame.dtype}{list(frame.shape)}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise ValueError(f"a frame is an array uint8[height, width, 3] in RGB, not {what}")
        if min(frame.shape) < 1:
            raise ValueError("the frame is empty")
        if self._size and self._size != (frame.shape[1], frame.shape[0]):
            was, now = ("{} x {}".format(*size) for size in (self._size, frame.shape[1::-1]))
            raise ValueError(f"the frame has {now} pixels, the first one had {was}; use another pipeline for it")
        if not isfinite(t):
            raise ValueError(f"the time of a frame is a number of seconds, not {t}")
        if t < self._latest_s:
            raise ValueError(f"the frame at {t} s comes after one at {self._latest_s} s; push frames in order of time")
