"""A file: every sampled frame and all sound in one pass, as fast as the reader takes them."""

import codecs
from collections.abc import Iterable, Iterator
from math import floor, inf
from pathlib import Path
from threading import Event

import numpy as np
import structlog
from av.error import FFmpegError

from workers.clock import Clock
from workers.errors import SourceError, SourceInvalid, SourceRefused, SourceTooLarge
from workers.sources.counters import Counters
from workers.sources.decoding import Sampled
from workers.sources.formats import POINTING
from workers.sources.interleave import MAX_BATCH, Interleaver
from workers.sources.limits import Pace, PixelRate, within_memory
from workers.sources.media import Media, StreamPacket, content_key
from workers.sources.native import classify, make
from workers.sources.random_access import SLACK_S, WINDOW, read_frames_at
from workers.sources.reader import Reader, make_grid
from workers.sources.scaling import FrameScaler
from workers.sources.timebase import FORWARD_S, Timebase
from workers.sources.url import Target
from workers.types import (
    AudioChunk,
    CameraSpec,
    FrameBatch,
    FrameSpec,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

MAX_READ_ERRORS = 20  # in a row, before the rest of a damaged file is given up
MISSING_S, MISSING_SHARE = 1.0, 0.02  # more than both missing at the end: truncated, not rounded
# Rarer samples than this are fetched one by one by random access, which need not read the whole file. Passing through
# all packets and decoding only what is wanted costs less CPU (0.44 s against 1.3 s for 10 minutes at 0.02 fps).
SPARSE_PERIOD_S = 60.0

log = structlog.get_logger(__name__)


class FileSource:
    """Reads one file; see ``Source``. Time runs from 0 at the first time stamp of any chosen stream."""

    def __init__(self, camera: CameraSpec, target: Target, spec: FrameSpec, clock: Clock) -> None:
        self._camera = camera
        self._target = target
        self._spec = spec
        self._clock = clock
        self._counters = Counters()
        self._stop = Event()
        self._media: Media | None = None
        self._grid = make_grid(camera)
        self._work = PixelRate(camera.limits)
        self._gave = False  # any item

    def open(self) -> SourceInfo:
        """Open and probe; raise ``SourceNotFound``, ``SourceInvalid`` or ``SourceUnsupported``."""
        return self._opened().info(content_key(self._target.name))

    def items(self) -> Iterator[SourceItem]:
        """Yield batches of up to 16 frames and sound of about a second; raise if nothing could be decoded."""
        start, epoch = 0.0, 0
        try:
            while not self._stop.is_set():
                media = self._opened()
                self._counters.set_up(True)
                timebase = Timebase(media.origin_s(), start, epoch, media.forward_s())
                with within_memory(self._camera):
                    for item in self._pass(media, timebase):
                        self._count(item)
                        yield item
                if not self._camera.loop:
                    return
                self.close()
                start, epoch = timebase.now, timebase.epoch + 1
        finally:
            self._counters.set_up(False)
            self.close()

    def stop(self) -> None:
        """Make ``items`` end soon."""
        self._stop.set()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        return self._counters.snapshot()

    def close(self) -> None:
        """Free the container."""
        if self._media is not None:
            self._media.close()
        self._media = None

    def _opened(self) -> Media:
        if self._media is None:
            self._check_readable()
            self._media = Media(self._camera, self._target)
        return self._media

    def _check_readable(self) -> None:
        """Raise our error for what FFmpeg would only call invalid."""
        path = Path(self._target.name)
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):  # opening a pipe would wait for its writer
                raise make(SourceInvalid, self._camera.name, self._camera.url, "neither a file nor a folder")
            with path.open("rb") as f:
                begin = f.read(16)
        except OSError as e:
            raise classify(e, self._camera.name, self._camera.url, 0.0, None) from e
        if begin.removeprefix(codecs.BOM_UTF8).startswith(POINTING):
            reason = "a playlist, script or session description; copy what it names into one file"
            raise make(SourceRefused, self._camera.name, self._camera.url, reason)
        if not begin:
            raise make(SourceInvalid, self._camera.name, self._camera.url, "the file is empty")

    def _count(self, item: SourceItem) -> None:
        self._gave = True
        if isinstance(item, FrameBatch):
            self._counters.sampled(len(item.pts_s), item.epoch, float(item.wall_time[-1]))

    def _pass(self, media: Media, timebase: Timebase) -> Iterator[SourceItem]:
        """Yield everything from the start of the file to its end."""
        start = timebase.now
        if self._is_sparse(media):
            try:
                yield from self._sparse_pass(media.duration_s() or 0.0, timebase)
                return
            except SourceError:  # damaged: pass through what is there; the grid knows what was given already
                self._counters.dropped("corrupt")
        reader = Reader(self._camera, media, self._grid, self._counters)
        scaler = FrameScaler(self._spec, self._camera.blur_faces)
        step_s = inf if self._camera.fps == "keyframes" else 1 / self._grid.fps  # between key frames there are others
        gather = Interleaver(self._camera.name, scaler, self._clock, media.video is not None, step_s)
        pace = Pace(self._camera.limits, start)
        last = (start, start)  # from when until when the last picture is shown
        for packet in self._packets(media):
            entry = media.place(packet, timebase)
            if packet.stream is media.video:
                last = max(last, (entry.t, entry.t + float((packet.duration or 0) * packet.time_base)))
            reason = pace.excess(timebase.now, packet.stream is media.video)
            reason = reason or self._work.excess(timebase.now, self._counters.pixels)
            if reason is not None:
                raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)
            for found in reader.feed(entry):
                yield from self._gathered(gather, found)
        if self._stop.is_set():
            return
        for found in reader.finish():
            yield from self._gathered(gather, found)
        yield from gather.end(timebase.epoch, *last)
        if not self._gave:
            if "too_large" in self._counters.snapshot().dropped:
                reason = f"pictures of more than {self._camera.limits.max_pixels} pixels (limits.pixels)"
                raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)
            raise make(SourceInvalid, self._camera.name, self._camera.url, "nothing in it could be decoded")
        self._check_length(media, timebase.now - start)

    def _gathered(self, gather: Interleaver, found: Sampled | AudioChunk) -> Iterable[SourceItem]:
        return gather.sound(found) if isinstance(found, AudioChunk) else gather.frame(found)

    def _packets(self, media: Media) -> Iterator[StreamPacket]:
        """Yield packets, past damaged places."""
        errors = 0
        while errors < MAX_READ_ERRORS:
            try:
                for packet in media.packets():
                    errors = 0
                    if self._stop.is_set():
                        return
                    if packet is not None:
                        yield packet
                return
            except FFmpegError:
                errors += 1
                self._counters.dropped("corrupt")

    def _is_sparse(self, media: Media) -> bool:
        """Return whether fetching single frames reads less than passing through: rare samples, index, no sound."""
        rare = self._camera.fps != "keyframes" and self._camera.fps * SPARSE_PERIOD_S <= 1
        indexed = media.forward_s() > FORWARD_S and media.duration_s() is not None
        return rare and indexed and media.audio is None and not self._camera.blur_faces  # only a scaler hides them

    def _sparse_pass(self, duration_s: float, timebase: Timebase) -> Iterator[SourceItem]:
        """Fetch the frames of the grid one by one."""
        period, start = 1 / self._grid.fps, timebase.now
        steps = np.arange(floor(duration_s / period) + 1, dtype=np.float64)
        for first in range(0, len(steps), WINDOW):
            if self._stop.is_set():
                return
            times = steps[first : first + WINDOW] * period
            pts, frames = read_frames_at(self._target.name, times, self._spec, self._camera.limits)
            # Behind the last frame there is none at or after the time asked for, and the last one comes instead.
            new = [i for i, t in enumerate(pts) if t >= times[i] - SLACK_S and self._grid.take(t + start)]
            self._counters.decoded(len(new))
            for i in range(0, len(new), MAX_BATCH):
                chosen = new[i : i + MAX_BATCH]
                walls = np.full(len(chosen), self._clock.wall())
                yield FrameBatch(self._camera.name, timebase.epoch, pts[chosen] + start, walls, frames[chosen])
        timebase.advance(duration_s)

    def _check_length(self, media: Media, end_s: float) -> None:
        """Note a file whose index promises more than its data holds."""
        declared = media.duration_s()
        if declared is None or media.forward_s() <= FORWARD_S:
            return
        missing = declared - end_s
        if missing > max(MISSING_S, MISSING_SHARE * declared):
            text = f"truncated: {declared:.1f} s declared, {end_s:.1f} s there"
            self._counters.note(text)
            log.warning("source_truncated", camera=self._camera.name, declared_s=declared, present_s=end_s)
