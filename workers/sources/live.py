"""A live stream: its own decode thread, the freshest frames, reconnects for ever."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock, Thread

import numpy as np
import structlog
from av.error import EOFError as EndOfStream
from av.error import FFmpegError, InvalidDataError

from workers.backoff import Backoff
from workers.clock import Clock, SteadyWall
from workers.errors import SourceChanged, SourceError, SourceTimeout, SourceTooLarge, SourceUnreachable
from workers.sources.anchor import anchored
from workers.sources.base import RETRY_S
from workers.sources.buffering import MAX_FRAMES, FreshBuffer
from workers.sources.counters import Counters
from workers.sources.decoding import KeyframeTier, Sampled
from workers.sources.hearing import UNDECODABLE, UNDECODABLE_S, Hearing
from workers.sources.limits import PixelRate, within_memory
from workers.sources.media import Entry, Media, StreamPacket, read_limit_s
from workers.sources.native import classify, make
from workers.sources.reader import Reader, make_grid
from workers.sources.scaling import FrameScaler
from workers.sources.timebase import FORWARD_S, Timebase, Told
from workers.sources.url import Target
from workers.types import (
    AudioChunk,
    CameraSpec,
    FrameBatch,
    FrameSpec,
    Interruption,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

MAX_READ_ERRORS = 20  # in a row
AHEAD_S = 10.0  # a server that sends faster than time passes (a file over HTTP) is read at its own pace beyond this
STEP_S = 5.0  # the machine's clock was set, rather than corrected

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """An opened stream, and the Unix time at which opening it began."""

    media: Media
    wall: SteadyWall
    at: float


class LiveSource:
    """Reads one live stream; see ``Source``. Stream seconds are Unix time: of its beginning, plus the stream's clock.

    There is no way to interrupt FFmpeg: after ``stop`` the thread may sit in a read until its time limit,
    while ``items`` ends at once.
    """

    def __init__(
        self,
        camera: CameraSpec,
        target: Target,
        spec: FrameSpec,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self._camera = camera
        self._target = target
        self._clock = clock
        self._backoff = backoff or Backoff(clock, max_s=RETRY_S)
        self._scaler = FrameScaler(spec, camera.blur_faces)
        self._grid = make_grid(camera)
        self._counters = Counters()
        self._work = PixelRate(camera.limits)
        self._hearing = Hearing(camera.name, clock, self._counters)
        self._buffer = FreshBuffer(self._counters.dropped, clock)
        self._stop = Event()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._failure: BaseException | None = None
        self._opened: Connected | None = None
        self._info: SourceInfo | None = None
        self._state = ""
        self._resume_s, self._epoch = 0.0, 0
        self._told: Told | None = None

    def open(self) -> SourceInfo:
        """Connect and probe once; raise a ``SourceError``.

        ``items`` needs no open, and raises only ``SourceChanged``.
        """
        with self._lock:
            if self._info is None or (self._opened is None and self._thread is None):
                try:
                    self._opened = self._connect()
                except SourceError as error:
                    self._counters.error(error, reconnect=True)
                    raise
            assert self._info is not None
            return self._info

    def items(self) -> Iterator[SourceItem]:
        """Yield single frames and sound as they come; drops the oldest if the reader is too slow."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"source-{self._camera.name}", daemon=True)
                self._thread.start()
        while not self._stop.is_set() and (item := self._buffer.get()) is not None:
            yield item
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Make ``items`` end at once."""
        self._stop.set()
        self._buffer.close()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        return self._counters.snapshot()

    def close(self) -> None:
        """Stop, and wait for the thread as long as most reads may take."""
        self.stop()
        with self._lock:
            if self._thread is not None:
                self._thread.join(self._camera.read_timeout_s)
            if self._opened is not None:
                self._opened.media.close()
            self._opened = None

    def _connect(self) -> Connected:
        wall = SteadyWall(self._clock)
        at = wall()
        media = Media(self._camera, self._target)
        info = media.info(self._session_key(at))
        first = self._info = self._info or info
        if (info.has_audio, info.has_video) != (first.has_audio, first.has_video):
            media.close()
            raise make(SourceChanged, self._camera.name, self._camera.url, f"it now has {_content(info)}")
        return Connected(media, wall, at)

    def _session_key(self, wall: float) -> str:
        session = f"{self._camera.name} {self._camera.url} {wall:.3f}"
        return hashlib.sha256(session.encode()).hexdigest()[:16]

    def _run(self) -> None:
        """Connect, read, wait and connect again until stopped."""
        try:
            while not self._stop.is_set():
                try:
                    opened, self._opened = self._opened, None
                    connected = opened or self._connect()
                    with closing(connected.media), within_memory(self._camera):
                        self._session(connected)
                except SourceChanged:  # who reads has prepared for what was there at first
                    raise
                except SourceError as e:
                    self._down(e)
        except BaseException as e:  # a fault of ours: the reader must see it, a thread would die unheard
            self._failure = e
        finally:
            self._counters.set_up(False)
            self._buffer.close()

    def _down(self, error: SourceError) -> None:
        self._counters.set_up(False)
        if self._stop.is_set():
            return
        self._counters.error(error, reconnect=True)
        delay = self._backoff.failed(error.retryable)
        if self._state != error.code:
            self._state = error.code
            log.warning(
                "source_down",
                camera=self._camera.name,
                code=error.code,
                error=str(error),
                retry_s=round(delay, 1),
            )
        self._stop.wait(delay)

    def _up(self) -> None:
        self._counters.set_up(True)
        self._backoff.succeeded()
        if self._state != "up":
            self._state = "up"
            log.info("source_up", camera=self._camera.name, url=str(self._camera.url))

    def _session(self, connected: Connected) -> None:
        """Read one connection to its end; raises a ``SourceError`` unless stopped."""
        media, wall = connected.media, connected.wall
        packets = self._packets(media)
        began = wall()
        if not media.untimed:
            began, packets = anchored(packets, wall, connected.at)
        start = self._start(began)
        timebase = Timebase(None, start, self._epoch, FORWARD_S, wall, self._told if media.replays else None)
        reader = Reader(self._camera, media, self._grid, self._counters)
        seen, damaged = self._clock.monotonic(), 0
        self._hearing.begin()
        try:
            for packet in packets:
                entry = media.place(packet, timebase) if packet is not None else None
                for found in reader.feed(entry) if entry is not None and not self._is_heard(entry, media) else ():
                    if isinstance(found, Sampled) or media.video is None:
                        seen, damaged = self._clock.monotonic(), reader.damaged
                    if isinstance(found, AudioChunk):
                        self._hearing.heard(reader.damaged_sound)
                    self._deliver(found)
                if reason := self._work.excess(self._clock.monotonic(), self._counters.pixels):
                    raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)
                self._check_stall(seen, reader.damaged - damaged >= UNDECODABLE)
                if media.video and media.audio and self._hearing.is_lost(reader.damaged_sound, self._patience_s()):
                    raise make(SourceTimeout, self._camera.name, self._camera.url, "its sound was lost")
                if abs(ahead := wall.ahead_s()) > STEP_S:
                    wall.set()
                    timebase.restart(timebase.now - ahead)
                    self._grid.rewind(timebase.now)
                    self._resume_s, self._told = timebase.now, None
                self._stop.wait(max(0.0, timebase.now - wall() - self._ahead_s(media)))
        finally:
            self._epoch = timebase.epoch + 1
            if timebase.told is not None:
                self._resume_s, self._told = timebase.now, timebase.told
            for found in reader.finish():  # what came before the connection broke is as good as ever
                self._deliver(found)
            self._buffer.put(Interruption(self._camera.name, self._epoch))
        if not self._stop.is_set():
            raise make(SourceUnreachable, self._camera.name, self._camera.url, "the stream ended")

    def _deliver(self, found: Sampled | AudioChunk) -> None:
        self._up()
        if isinstance(found, AudioChunk):
            self._buffer.put(found)
            return
        wall = self._clock.wall()
        picture = self._scaler(found.frame)[None]
        self._counters.sampled(1, found.epoch, wall)
        self._buffer.put(FrameBatch(self._camera.name, found.epoch, np.array([found.t]), np.array([wall]), picture))

    def _start(self, wall: float) -> float:
        """Return the stream second where to go on: now, and not before what was told, unless the clock was set back."""
        if self._resume_s - wall > AHEAD_S + STEP_S:
            self._grid.rewind(wall)
            self._resume_s, self._told = wall, None
        return max(wall, self._resume_s)

    def _is_heard(self, entry: Entry, media: Media) -> bool:
        """Tell whether this is sound of a segment that was read before; of pictures the grid knows which it had."""
        return entry.t < self._resume_s and entry.packet.stream is media.audio

    def _check_stall(self, seen: float, undecodable: bool) -> None:
        limit = self._patience_s(UNDECODABLE_S if undecodable else None)
        if self._clock.monotonic() - seen > limit:
            raise make(SourceTimeout, self._camera.name, self._camera.url, f"no frame for {limit:g} s")

    def _patience_s(self, limit_s: float | None = None) -> float:
        """Return how long a frame may be waited for: ``limit_s`` (or ``stall_timeout``), and as they are apart."""
        apart = 1.5 * KeyframeTier.MAX_GOP_S if self._camera.fps == "keyframes" else 2.5 / self._grid.fps
        return max(limit_s or self._camera.stall_timeout_s, apart)

    def _ahead_s(self, media: Media) -> float:
        """Return how far stream time may run ahead: more of a segment at once would overflow the buffer."""
        return min(AHEAD_S, MAX_FRAMES / 2 / self._grid.fps) if media.replays else AHEAD_S

    def _packets(self, media: Media) -> Iterator[StreamPacket | None]:
        """Yield packets, past damaged places, until the stream ends or its reading fails."""
        errors, limit = 0, read_limit_s(self._camera, self._target)
        while True:
            asked = self._clock.monotonic()
            try:
                for packet in media.packets():
                    errors = 0
                    if self._stop.is_set():
                        return
                    yield packet
                    asked = self._clock.monotonic()
                return
            except EndOfStream:
                return
            except FFmpegError as e:
                errors += 1
                waited = self._clock.monotonic() - asked
                if self._stop.is_set():
                    return
                damaged = isinstance(e, InvalidDataError) and waited < 0.9 * limit
                if not damaged or errors > MAX_READ_ERRORS:
                    raise classify(e, self._camera.name, self._camera.url, waited, limit) from e
                self._counters.dropped("corrupt")


def _content(info: SourceInfo) -> str:
    return " and ".join(name for name, has in (("pictures", info.has_video), ("sound", info.has_audio)) if has)
