"""A file source: all sampled frames and all audio in one pass, as fast as the reader takes them."""

from collections import deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from math import floor, inf
from pathlib import Path
from threading import Event

import numpy as np
import structlog
from av.error import FFmpegError

from workers.clock import Clock
from workers.errors import SourceError, SourceInvalid, SourceTooLarge
from workers.sources.clips.from_file import record_file
from workers.sources.clips.making import make_clip, make_picture
from workers.sources.containers.container import Media, StreamPacket, content_key
from workers.sources.containers.extent import Extent, declared_s
from workers.sources.containers.sniffing import check_content
from workers.sources.containers.timebase import FORWARD_S, Timebase
from workers.sources.counters import Counters
from workers.sources.decode.demux import Demuxer, make_grid
from workers.sources.decode.interleave import MAX_BATCH, Interleaver
from workers.sources.decode.packets import Sampled
from workers.sources.decode.scaling import FrameScaler
from workers.sources.ffmpeg_errors import make
from workers.sources.limits import Pace, PixelRate, within_memory
from workers.sources.random_access import SLACK_S, WINDOW, read_frames_at
from workers.sources.url import Target
from workers.types import (
    AudioChunk,
    CameraSpec,
    Clip,
    FrameBatch,
    FrameSpec,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

MAX_READ_ERRORS = 20  # consecutive errors before the rest of a damaged file is skipped
# Rarer samples are fetched one by one by random access, which does not read the whole file. One pass over all packets
# that decodes only sampled frames costs less CPU (0.44 s against 1.3 s for 10 minutes at 0.02 fps).
SPARSE_PERIOD_S = 60.0

PASSES = 100  # over a looped file, of which clips can be made
PICTURE_S = 0.2  # read so much after a frame: packets are not in the order in which they are shown

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
        self._yielded = False  # any item
        self._starts = deque([0.0], maxlen=PASSES)  # of the passes over a file that is looped

    def open(self) -> SourceInfo:
        """Open and probe; raise ``SourceNotFound``, ``SourceInvalid`` or ``SourceUnsupported``."""
        return self._opened().info(content_key(self._target.name))

    def items(self) -> Iterator[SourceItem]:
        """Yield batches of up to 16 frames and audio of about one second; raise if nothing could be decoded."""
        start, segment = 0.0, 0
        try:
            while not self._stop.is_set():
                media = self._opened()
                self._counters.set_up(True)
                timebase = Timebase(media.origin_s(), start, segment, media.forward_s())
                with within_memory(self._camera):
                    for item in self._pass(media, timebase):
                        self._count(item)
                        yield item
                if not self._camera.loop:
                    return
                self.close()
                start, segment = timebase.now, timebase.segment + 1
                self._starts.append(start)
        finally:
            self._counters.set_up(False)
            self.close()

    def stop(self) -> None:
        """Make ``items`` end soon."""
        self._stop.set()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        return self._counters.snapshot()

    def hold(self, since: float | None) -> None:
        """Keep nothing: the file is read again."""

    def clip(self, start: float, end: float) -> Clip:
        """Return a clip of the file."""
        start = max(start, 0.0)
        zero = self._zero(start)
        recording = record_file(self._camera, self._target, start - zero, end - zero)
        clip = make_clip(recording, start - zero, self._camera, live=False)
        return replace(clip, start=clip.start + zero, end=clip.end + zero)

    def picture(self, t: float) -> bytes:
        """Return a frame of the file."""
        at = t - self._zero(t)
        recording = record_file(self._camera, self._target, at, at + PICTURE_S)
        return make_picture(recording, at, self._camera, live=False)

    def _zero(self, t: float) -> float:
        """Return the stream second at which the pass over the file began that ``t`` belongs to."""
        return max((s for s in list(self._starts) if s <= t), default=0.0)

    def close(self) -> None:
        """Free the container."""
        if self._media is not None:
            self._media.close()
        self._media = None

    def _opened(self) -> Media:
        if self._media is None:
            check_content(Path(self._target.name), self._camera.name, self._camera.url)
            self._media = Media(self._camera, self._target)
            self._counters.opened(self._camera.name, self._media.video is not None, self._media.tracks.passed_over)
        return self._media

    def _count(self, item: SourceItem) -> None:
        self._yielded = True
        if isinstance(item, FrameBatch):
            self._counters.sampled(len(item.pts_s), item.segment, float(item.wall_time[-1]))

    def _pass(self, media: Media, timebase: Timebase) -> Iterator[SourceItem]:
        """Yield everything from the start of the file to its end."""
        start = timebase.now
        if self._is_sparse(media):
            try:
                yield from self._sparse_pass(media.duration_s() or 0.0, timebase)
                return
            except SourceError:  # damaged: read it in one pass; the grid knows which samples were already yielded
                self._counters.dropped("corrupt")
        reader = Demuxer(self._camera, media, self._grid, self._counters)
        scaler = FrameScaler(self._spec, self._camera.blur_faces, self._camera.masks)
        step_s = inf if self._camera.fps == "keyframes" else 1 / self._grid.fps  # others lie between key frames
        gather = Interleaver(self._camera.name, scaler, self._clock, media.video is not None, step_s)
        pace = Pace(self._camera.limits, start)
        last = (start, start)  # start and end of the last frame's display
        kinds: set[type] = set()  # of what was decoded
        extent = Extent(start)
        for packet in self._packets(media):
            entry = media.place(packet, timebase)
            extent.add(entry, packet.stream is media.video)
            if packet.stream is media.video:
                last = max(last, (entry.t, entry.t + entry.duration_s))
            reason = pace.excess(timebase.now, packet.stream is media.video)
            reason = reason or self._work.excess(timebase.now, self._counters.pixels)
            if reason is not None:
                raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)
            for found in reader.feed(entry):
                kinds.add(type(found))
                yield from self._gathered(gather, found)
        if self._stop.is_set():
            return
        for found in reader.finish():
            kinds.add(type(found))
            yield from self._gathered(gather, found)
        yield from gather.end(timebase.segment, *last)
        if not self._yielded:
            if "too_large" in self._counters.snapshot().dropped:
                reason = f"frames of more than {self._camera.limits.max_pixels} pixels (limits.pixels)"
                raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)
            raise make(SourceInvalid, self._camera.name, self._camera.url, "nothing in it could be decoded")
        self._report_undecodable(reader, kinds)
        self._check_length(media, extent)

    def _gathered(self, gather: Interleaver, found: Sampled | AudioChunk) -> Iterable[SourceItem]:
        return gather.audio(found) if isinstance(found, AudioChunk) else gather.frame(found)

    def _packets(self, media: Media) -> Iterator[StreamPacket]:
        """Yield packets; skip damaged ones."""
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
        """Return whether random access reads less than one pass: rare samples, an index, no audio."""
        rare = self._camera.fps != "keyframes" and self._camera.fps * SPARSE_PERIOD_S <= 1
        indexed = media.forward_s() > FORWARD_S and media.duration_s() is not None
        altered = self._camera.blur_faces or self._camera.masks  # by the scaler, which random access does not use
        return rare and indexed and media.audio is None and not altered

    def _sparse_pass(self, duration_s: float, timebase: Timebase) -> Iterator[SourceItem]:
        """Fetch the frames of the grid one by one."""
        period, start = 1 / self._grid.fps, timebase.now
        steps = np.arange(floor(duration_s / period) + 1, dtype=np.float64)
        for first in range(0, len(steps), WINDOW):
            if self._stop.is_set():
                return
            times = steps[first : first + WINDOW] * period
            pts, frames = read_frames_at(self._target.name, times, self._spec, self._camera.limits)
            # After the last frame, random access returns the last frame again.
            new = [i for i, t in enumerate(pts) if t >= times[i] - SLACK_S and self._grid.take(t + start)]
            self._counters.decoded(len(new))
            for i in range(0, len(new), MAX_BATCH):
                chosen = new[i : i + MAX_BATCH]
                walls = np.full(len(chosen), self._clock.wall())
                yield FrameBatch(self._camera.name, timebase.segment, pts[chosen] + start, walls, frames[chosen])
        timebase.advance(duration_s)

    def _report_undecodable(self, reader: Demuxer, kinds: Set[type]) -> None:
        """Report a track of which nothing decodes (an encrypted one, say), beside another that does."""
        tracks = (("picture", Sampled, reader.damaged), ("sound", AudioChunk, reader.damaged_audio))
        for name, kind, damaged in tracks:
            if damaged and kind not in kinds:
                self._counters.note(f"no {name} could be decoded")
                log.warning("track_undecodable", camera=self._camera.name, track=name)

    def _check_length(self, media: Media, extent: Extent) -> None:
        """Report a file that is shorter than its index declares."""
        declared = declared_s(media.container, media.streams)
        if declared is None or media.forward_s() <= FORWARD_S or not extent.missing_s(declared):
            return
        present = extent.present_s
        self._counters.note(f"truncated: {declared:.1f} s declared, {present:.1f} s present")
        log.warning("source_truncated", camera=self._camera.name, declared_s=declared, present_s=present)
