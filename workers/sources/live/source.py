"""A live source: decodes in its own thread, keeps the freshest frames, reconnects without end."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread

import numpy as np
import structlog
from av.error import EOFError as EndOfStream
from av.error import FFmpegError, InvalidDataError

from workers.backoff import Backoff
from workers.clock import Clock, MonotonicWallClock
from workers.errors import (
    ClipUnavailable,
    SourceChanged,
    SourceError,
    SourceInvalid,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    SourceUnsupported,
)
from workers.sources.base import RETRY_S
from workers.sources.clips.coded import Recording, describe_tracks
from workers.sources.clips.making import make_clip, make_picture
from workers.sources.containers.container import Entry, Media, StreamPacket, read_limit_s
from workers.sources.containers.timebase import FORWARD_S, ResumePoint, Timebase
from workers.sources.counters import Counters
from workers.sources.decode.demux import Demuxer, make_grid
from workers.sources.decode.packets import KeyframeTier, Sampled
from workers.sources.decode.scaling import FrameScaler
from workers.sources.ffmpeg_errors import classify, make
from workers.sources.http.variants import Qualities
from workers.sources.limits import PixelRate, within_memory
from workers.sources.live.audio_watchdog import UNDECODABLE, UNDECODABLE_S, AudioWatchdog
from workers.sources.live.buffer import MAX_FRAMES, FreshBuffer
from workers.sources.live.first_packet import WAITED_S, anchored
from workers.sources.live.packet_ring import PacketRing
from workers.sources.live.stamps import StampJudge
from workers.sources.url import FIRST, Target
from workers.types import (
    AudioChunk,
    CameraSpec,
    Clip,
    FrameBatch,
    FrameSpec,
    Interruption,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

MAX_READ_ERRORS = 20  # in a row
AHEAD_S = 10.0  # a server that sends faster than real time (a file over HTTP) is read in real time beyond this
CLIP_LATE_S, SEGMENT_S = 1.5, 10.0  # how long a clip waits for the packets at its end, which HLS sends in segments
STEP_S = 5.0  # a larger change of the system clock is a step, not a correction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """An opened stream, and the Unix time when opening started."""

    media: Media
    wall: MonotonicWallClock
    at: float


class LiveSource:
    """Reads one live stream; see ``Source``. Stream seconds are Unix time at the start, advanced by the stream's clock.

    FFmpeg cannot be interrupted: after ``stop`` the thread may block in a read until its time limit, but ``items``
    ends immediately.
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
        self._scaler = FrameScaler(spec, camera.blur_faces, camera.masks)
        self._qualities = Qualities(self._scaler.is_served_by)
        self._delivered = False  # anything, in this connection
        self._grid = make_grid(camera)
        self._counters = Counters()
        self._work = PixelRate(camera.limits)
        self._watchdog = AudioWatchdog(camera.name, clock, self._counters)
        self._buffer = FreshBuffer(self._counters.dropped, clock)
        self._ring = PacketRing(camera.ring) if camera.ring else None
        self._stop = Event()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._failure: BaseException | None = None
        self._opened: Connected | None = None
        self._info: SourceInfo | None = None
        self._state = ""
        self._resume_s, self._segment = 0.0, 0
        self._resume: ResumePoint | None = None
        self._judge = StampJudge(camera.name, self._counters)
        self._manner = FIRST

    def open(self) -> SourceInfo:
        """Connect and probe once; raise a ``SourceError``.

        ``items`` needs no open, and raises only ``SourceChanged``.
        """
        with self._lock:
            if self._info is None or (self._opened is None and self._thread is None):
                try:
                    self._opened = self._connect()
                except SourceError as error:
                    self._counters.failed(error)
                    raise
            assert self._info is not None
            return self._info

    def items(self) -> Iterator[SourceItem]:
        """Yield single frames and audio as they arrive; drop the oldest if the reader is too slow."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"source-{self._camera.name}", daemon=True)
                self._thread.start()
        while not self._stop.is_set() and (item := self._buffer.get()) is not None:
            yield item
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Make ``items`` end immediately."""
        self._stop.set()
        self._buffer.close()

    def snapshot(self) -> SourceSnapshot:
        """Return the counters."""
        state, ring = self._counters.snapshot(), self._ring
        return state if ring is None else replace(state, kept_bytes=ring.bytes, kept_full=ring.is_full)

    def hold(self, since: float | None) -> None:
        """Keep packets from ``since`` on."""
        if self._ring is not None:
            self._ring.hold(since)

    def clip(self, start: float, end: float) -> Clip:
        """Return a clip of what is kept; wait a little for its end."""
        return make_clip(self._recorded(start, end), start, self._camera, live=True)

    def picture(self, t: float) -> bytes:
        """Return a frame of what is kept."""
        return make_picture(self._recorded(t, t), t, self._camera, live=True)

    def _recorded(self, start: float, end: float) -> Recording:
        if self._ring is None:
            raise ClipUnavailable("nothing is kept of this camera for clips")
        if not self._stop.is_set():
            self._ring.wait(end, SEGMENT_S if self._target.playlists else CLIP_LATE_S)
        if (found := self._ring.cut(start, end)) is None:
            raise ClipUnavailable("nothing of that time is kept")
        return found

    def close(self) -> None:
        """Stop, and wait for the thread for at most one read timeout."""
        self.stop()
        with self._lock:
            if self._thread is not None:
                self._thread.join(self._camera.read_timeout_s)
            if self._opened is not None:
                self._opened.media.close()
            self._opened = None

    def _connect(self) -> Connected:
        wall = MonotonicWallClock(self._clock)
        at = wall()
        media = self._open_media()
        if wall() - at >= 0.9 * self._camera.open_timeout_s:  # FFmpeg gave up in the middle
            self._manner = replace(self._manner, hurried=True)
        self._counters.opened(self._camera.name, media.video is not None, media.tracks.passed_over)
        info = media.info(self._session_key(at))
        first = self._info = self._info or info
        if (info.has_audio, info.has_video) != (first.has_audio, first.has_video):
            media.close()
            raise make(SourceChanged, self._camera.name, self._camera.url, f"it now has {_content(info)}")
        return Connected(media, wall, at)

    def _open_media(self) -> Media:
        """Open the stream; if that fails, open another of its qualities."""
        self._delivered = False
        while True:
            try:
                return Media(self._camera, self._target, self._qualities, self._manner)
            except SourceError as e:
                if self._stop.is_set() or not (self._asks_for_udp(e) or self._qualities.failed()):
                    raise

    def _asks_for_udp(self, error: SourceError) -> bool:
        """Return whether to try UDP now, because an RTSP server may have refused no more than RTP over TCP."""
        refused = isinstance(error, SourceInvalid | SourceUnsupported) or type(error) is SourceError
        udp = self._target.scheme == "rtsp" and refused and not self._manner.udp
        self._manner = replace(self._manner, udp=udp)
        return udp

    def _session_key(self, wall: float) -> str:
        session = f"{self._camera.name} {self._camera.url} {wall:.3f}"
        return hashlib.sha256(session.encode()).hexdigest()[:16]

    def _run(self) -> None:
        """Connect, read, wait and reconnect until stopped."""
        try:
            while not self._stop.is_set():
                try:
                    opened, self._opened = self._opened, None
                    connected = opened or self._connect()
                    with closing(connected.media), within_memory(self._camera):
                        self._session(connected)
                except SourceChanged:  # the pipeline was built for the first connection's streams
                    raise
                except SourceError as e:
                    self._down(e)
        except BaseException as e:  # a bug: pass it to the reader, or the thread would end unnoticed
            self._failure = e
        finally:
            self._counters.set_up(False)
            self._buffer.close()

    def _down(self, error: SourceError) -> None:
        self._counters.set_up(False)
        if self._stop.is_set():
            return
        self._counters.failed(error)
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
        timebase = Timebase(None, start, self._segment, FORWARD_S, wall, self._resume if media.replays else None)
        reader = Demuxer(self._camera, media, self._grid, self._counters)
        judged = None if media.untimed or media.replays else wall
        self._judge.begin(judged, began)
        seen, damaged, fed = self._clock.monotonic(), 0, 0
        self._watchdog.begin()
        if self._ring is not None:
            self._ring.begin(describe_tracks(media.video, media.audio))
        try:
            for packet in packets:
                entry = media.place(packet, timebase, self._judge.correct) if packet is not None else None
                if entry is not None and self._ring is not None and not self._is_repeated(entry, media):
                    self._ring.add(entry, entry.packet.stream is media.video)
                fed += packet is not None and packet.stream is media.video
                for found in reader.feed(entry) if entry is not None and not self._is_repeated(entry, media) else ():
                    if isinstance(found, Sampled) or media.video is None:
                        seen, damaged, fed = self._clock.monotonic(), reader.damaged, 0
                    if isinstance(found, AudioChunk):
                        self._watchdog.heard(reader.damaged_audio)
                    self._deliver(found)
                if reason := self._work.excess(self._clock.monotonic(), self._counters.pixels):
                    raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)
                self._check_stall(seen, fed, reader.damaged - damaged)
                if media.video and media.audio and self._watchdog.is_lost(reader.damaged_audio, self._patience_s()):
                    raise make(SourceTimeout, self._camera.name, self._camera.url, "its audio was lost")
                if abs(ahead := wall.ahead_s()) > STEP_S:
                    wall.set()
                    timebase.restart(timebase.now - ahead)
                    self._judge.begin(judged, wall())
                    self._grid.rewind(timebase.now)
                    self._resume_s, self._resume = timebase.now, None
                self._stop.wait(max(0.0, timebase.now - wall() - self._ahead_s(media)))
        finally:
            self._segment = timebase.segment + 1
            if timebase.resume_point is not None:
                self._resume_s, self._resume = timebase.now, timebase.resume_point
            for found in reader.finish():  # frames from before the break are still valid
                self._deliver(found)
            self._buffer.put(Interruption(self._camera.name, self._segment))
        if not self._stop.is_set():
            raise make(SourceUnreachable, self._camera.name, self._camera.url, "the stream ended")

    def _deliver(self, found: Sampled | AudioChunk) -> None:
        if not self._delivered:
            self._delivered = True
            self._qualities.succeeded()
        self._up()
        if isinstance(found, AudioChunk):
            self._buffer.put(found)
            return
        wall = self._clock.wall()
        frame = self._scaler(found.frame)[None]
        self._counters.sampled(1, found.segment, wall)
        self._buffer.put(FrameBatch(self._camera.name, found.segment, np.array([found.t]), np.array([wall]), frame))

    def _start(self, wall: float) -> float:
        """Return the stream second at which to continue: now, or where reading ended, unless the clock was set back."""
        if self._resume_s - wall > AHEAD_S + STEP_S:
            self._grid.rewind(wall)
            self._resume_s, self._resume = wall, None
        return max(wall, self._resume_s)

    def _is_repeated(self, entry: Entry, media: Media) -> bool:
        """Return whether this is audio of an HLS segment that was read before; the grid skips repeated frames."""
        return entry.t < self._resume_s and entry.packet.stream is media.audio

    def _check_stall(self, seen: float, fed: int, damaged: int) -> None:
        """Raise if no frame was decoded for too long, of the ``fed`` packets since then."""
        limit = self._patience_s(UNDECODABLE_S if damaged >= UNDECODABLE else None)
        if self._clock.monotonic() - seen > limit:
            why = f", although {fed} packets of video arrived: they do not decode, or have no key frame" if fed else ""
            raise make(SourceTimeout, self._camera.name, self._camera.url, f"no frame for {limit:g} s{why}")

    def _patience_s(self, limit_s: float | None = None) -> float:
        """Return the longest wait for a frame: ``limit_s`` or ``stall_timeout``, at least some sampling steps."""
        apart = 1.5 * KeyframeTier.MAX_GOP_S if self._camera.fps == "keyframes" else 2.5 / self._grid.fps
        return max(limit_s or self._camera.stall_timeout_s, apart)

    def _ahead_s(self, media: Media) -> float:
        """Return how far stream time may run ahead; a whole HLS segment at once would overflow the buffer."""
        return min(AHEAD_S, MAX_FRAMES / 2 / self._grid.fps) if media.replays else AHEAD_S

    def _packets(self, media: Media) -> Iterator[StreamPacket | None]:
        """Yield packets until the stream ends or reading fails; skip damaged ones."""
        errors, limit = 0, read_limit_s(self._camera, self._target)
        while True:
            asked = self._clock.monotonic()
            try:
                for packet in media.packets():
                    errors = 0
                    if self._stop.is_set():
                        return
                    self._judge.waited = self._clock.monotonic() - asked >= WAITED_S
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
    return " and ".join(name for name, has in (("video", info.has_video), ("audio", info.has_audio)) if has)
