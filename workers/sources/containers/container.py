"""An opened container: its chosen streams, the probed information, and its packets in stream time."""

import contextlib
import errno
import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from workers.errors import SourceError, SourceInvalid, SourceRefused, SourceTooLarge, SourceUnsupported
from workers.sources.containers import heif
from workers.sources.containers.h264 import ENTRY, WHOLE, Picture, PictureReader
from workers.sources.containers.timebase import FORWARD_INDEXED_S, FORWARD_S, Timebase, TimePlacement
from workers.sources.containers.tracks import NoSuchTrack, Tracks, choose_tracks
from workers.sources.ffmpeg_errors import classify, make
from workers.sources.http.proxy import HttpProxy
from workers.sources.http.variants import Qualities
from workers.sources.limits import bound_decoder, excess, file_excess, open_options
from workers.sources.url import FILE_FORMATS, FIRST, Manner, Target, network_options
from workers.types import CameraSpec, SourceInfo

# Formats without time stamps: FFmpeg invents 25 frames a second, whatever the camera sends.
_UNTIMED = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "obu", "av1"}
# Formats with one time stamp a packet, in decode order, from which FFmpeg guesses that of presentation. Where frames
# are reordered the guess is wrong, but for MPEG-4 Part 2; the decoder knows better.
_GUESSED, _GUESSED_WELL = {"asf", "avi"}, {"mpeg4"}
LIVE_THREADS, FILE_THREADS = 2, 4  # per stream: many cameras share a machine
REORDERED = 16  # frames at most between decoding and presentation (H.264, A.3.1)
_KEY_BYTES = 1 << 20
_TS_DISCONT = cast(int, Flags.ts_discont.value)  # the format allows time stamps to jump

if TYPE_CHECKING:
    StreamPacket = Packet[Stream]  # generic in its stubs only
else:
    StreamPacket = Packet


@dataclass(slots=True, eq=False)
class Entry:
    """A compressed packet in stream time: ``t`` of presentation, ``decode_t`` of decoding, both stream seconds.

    ``exact``: ``t`` comes from a presentation time stamp. ``picture``: how a video packet is coded; ``apart_s``: the
    usual distance of such packets. The sampler sets ``offered`` and ``wanted``.
    """

    packet: StreamPacket
    t: float
    decode_t: float
    place: TimePlacement
    exact: bool
    picture: Picture = WHOLE
    apart_s: float = 0.0
    duration_s: float = 0.0
    offered: bool = False
    wanted: bool = False

    @property
    def is_shown(self) -> bool:
        """Return whether a frame begins with this packet, and is shown."""
        return not (self.packet.is_discard or self.picture.ends_frame)


def read_limit_s(camera: CameraSpec, target: Target) -> float:
    """Return the time limit of one read; for playlists ``stall_timeout``, because a segment can take that long."""
    return max(camera.read_timeout_s, camera.stall_timeout_s if target.playlists else 0.0)


def _poll_s(camera: CameraSpec) -> float:
    """Return how often the address of a single picture is polled: at ``fps``, and before a read is given up."""
    return min(1.0 if camera.fps == "keyframes" else 1 / camera.fps, camera.read_timeout_s / 2)


def stamp_s(packet: StreamPacket) -> float | None:
    """Return the time stamp in decode order, in seconds; None without one."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return stamp * float(packet.time_base) if stamp is not None else None


class Cadence:
    """The usual distance of one stream's latest time stamps, which a single damaged one does not change."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=9)

    def add(self, stamp: float) -> float:
        """Return the distance in seconds, this time stamp included; 0 for the first."""
        if self._last is not None:
            self._steps.append(abs(stamp - self._last))
        self._last = stamp
        return sorted(self._steps)[len(self._steps) // 2] if self._steps else 0.0


class Media:
    """An opened input; ``close`` releases it. Opening raises a ``SourceError``.

    ``qualities`` chooses, where the input has several (HLS); ``manner``: what earlier attempts taught.
    """

    def __init__(
        self, camera: CameraSpec, target: Target, qualities: Qualities | None = None, manner: Manner = FIRST
    ) -> None:
        self._camera = camera
        self._manner = manner
        self.live = target.kind == "live"
        served = target.scheme in ("http", "https")
        self._proxy = HttpProxy(camera.name, camera.url, camera.hosts, qualities, _poll_s(camera)) if served else None
        try:
            self.container = self._open(target)
        except SourceError:
            self._close_proxy()
            raise
        try:
            self.tracks = self._choose()
            self.video, self.audio = self.tracks.video, self.tracks.audio
            if self.video is not None:
                self._prepare(self.video.codec_context)
            self._check_limits()
        except SourceError:
            self.close()
            raise
        self.untimed = self.live and self.container.format.name in _UNTIMED
        self.replays = self.container.format.name == "hls"  # a new connection may receive a segment again
        if self.replays:
            self._fetch_nothing_else()
        self._ends: dict[int, float] = {}
        self._cadence = Cadence()
        self._indexed = not self.live and self.forward_s() > FORWARD_S
        self._numbers = count()
        context = self.video.codec_context if self.video else None
        self._pictures = PictureReader(context.extradata) if context and context.name == "h264" else None
        unclear = not self.live and self.container.format.name in _GUESSED
        self._guessed = unclear and context and context.has_b_frames and context.name not in _GUESSED_WELL

    @property
    def streams(self) -> list[VideoStream | AudioStream]:
        """Return the chosen streams: video, audio or both."""
        return [s for s in (self.video, self.audio) if s is not None]

    def _open(self, target: Target) -> InputContainer:
        options = network_options(target, self._camera.read_timeout_s, self._manner) | open_options(self._camera.limits)
        name: str | BytesIO = target.name if self.live else f"file:{target.name}"  # or a colon would mark a protocol
        form = target.format
        if self._proxy is not None:
            name, options["http_proxy"] = self._proxy.entry, self._proxy.url
        began = time.monotonic()
        try:
            still = None if self.live else heif.read_still(target.name, self._camera)
            if still is not None:
                name, form = still, heif.FORMAT
                options["format_whitelist"] = heif.FORMAT
            container = av.open(
                name,
                mode="r",
                format=form,
                options=options,
                timeout=(self._camera.open_timeout_s, read_limit_s(self._camera, target) if self.live else None),
                metadata_errors="replace",
            )
        except (FFmpegError, OSError, ValueError) as e:
            if not self.live and getattr(e, "errno", None) == errno.EINVAL:  # FFmpeg's error for `format_whitelist`
                reason = f"its format is none of {FILE_FORMATS}; convert it: ffmpeg -i FILE -c copy NAME.mkv"
                raise make(SourceUnsupported, self._camera.name, self._camera.url, reason) from e
            if self._proxy is not None and self._proxy.denied:
                reason = f"it refers to {', '.join(sorted(self._proxy.denied))}, which is not allowed"
                raise make(SourceRefused, self._camera.name, self._camera.url, reason) from e
            limit = self._camera.open_timeout_s
            if self.live and isinstance(e, FFmpegError):
                limit = min(self._camera.open_timeout_s, self._camera.read_timeout_s)
            raise classify(e, self._camera.name, self._camera.url, time.monotonic() - began, limit) from e
        return container

    def _check_limits(self) -> None:
        limits = self._camera.limits
        reason = excess(self.container, self.video, self.audio, limits)
        if reason is None and not self.live:
            reason = file_excess(self.video, self.duration_s(), limits)
        if reason is not None:
            raise make(SourceTooLarge, self._camera.name, self._camera.url, reason)

    def _choose(self) -> Tracks:
        try:
            tracks = choose_tracks(self.container, self._camera.audio, self._camera.audio_track)
        except NoSuchTrack as e:
            raise make(SourceInvalid, self._camera.name, self._camera.url, str(e)) from e
        if tracks.video is None and tracks.audio is None:
            kind = SourceUnsupported if tracks.passed_over else SourceInvalid
            reason = "; ".join(tracks.passed_over) or "no video or audio stream"
            raise make(kind, self._camera.name, self._camera.url, reason)
        return tracks

    def _prepare(self, context: VideoCodecContext) -> None:
        context.thread_type = "SLICE" if self.live else "AUTO"
        context.thread_count = LIVE_THREADS if self.live else FILE_THREADS
        bound_decoder(context, self._camera.limits)

    def _fetch_nothing_else(self) -> None:
        """Let FFmpeg fetch no playlist of which no track was chosen: other languages, say."""
        for stream in self.container.streams:
            if stream not in self.streams:
                stream.discard = Discard.all

    def origin_s(self) -> float | None:
        """Return the first time stamp of any chosen stream, in seconds; None if the container does not say."""
        starts = [float(s.start_time * s.time_base) for s in self.streams if s.start_time is not None and s.time_base]
        return min(starts, default=None)

    def forward_s(self) -> float:
        """Return the forward jump of time stamps, in seconds, that counts as a discontinuity."""
        return FORWARD_S if self.container.format.flags & _TS_DISCONT else FORWARD_INDEXED_S

    def duration_s(self) -> float | None:
        """Return the declared duration of the chosen streams in seconds."""
        ends = [float(s.duration * s.time_base) for s in self.streams if s.duration and s.time_base]
        if not ends and self.container.duration:
            ends = [self.container.duration / av.time_base]
        return max(ends, default=None)

    def info(self, key: str) -> SourceInfo:
        """Return the probed information."""
        video, audio = self.video, self.audio
        context = video.codec_context if video else None
        rate = video.guessed_rate or video.average_rate if video else None
        return SourceInfo(
            key=key,
            live=self.live,
            has_video=video is not None,
            has_audio=audio is not None,
            width=context.width if context else 0,
            height=context.height if context else 0,
            duration_s=None if self.live else self.duration_s(),
            video_codec=context.name if context else "",
            fps=float(rate) if rate else None,
            audio_codec=audio.codec_context.name if audio else "",
            audio_hz=audio.codec_context.sample_rate if audio else 0,
        )

    def packets(self) -> Iterator[StreamPacket | None]:
        """Yield the packets of the chosen streams in one pass, without the empty ones at the end.

        For live inputs also yield None for each packet of other streams: otherwise PyAV would skip those internally,
        and a stop or a stall of the chosen streams would go unnoticed.
        """
        chosen = self.streams
        while True:
            try:
                for packet in self.container.demux() if self.live else self.container.demux(chosen):
                    if packet.size:
                        yield packet if packet.stream in chosen else None
                return
            except IndexError:  # a stream that appeared after opening: PyAV has no object for it
                yield None

    def place(
        self, packet: StreamPacket, timebase: Timebase, correct: Callable[[str, float], float] | None = None
    ) -> Entry:
        """Return ``packet`` with its stream time; a packet without a time stamp follows the previous one.

        In formats without time stamps, a live packet's time is its arrival. ``correct`` returns the time stamp of a
        track's packet that is used instead of its own.
        """
        picture = self._picture(packet)
        if self.untimed:
            packet.pts = packet.dts = next(self._numbers)  # identifies the frame after decoding
            at = timebase.arrival_s()
            place = timebase.place(packet.stream.type, at)
            return Entry(packet, at + place.offset, at + place.offset, place, True, picture)
        unit = float(packet.time_base)
        duration = (packet.duration or 0) * unit
        stamp = stamp_s(packet)
        follows = self._ends.get(packet.stream_index, 0.0) - (duration if picture.ends_frame else 0.0)
        at = stamp if stamp is not None else follows
        self._ends[packet.stream_index] = at + duration
        apart = self._cadence.add(at) if packet.stream is self.video else 0.0
        used = correct(packet.stream.type, at) if correct is not None else at
        # Matroska has no time stamps of decoding: FFmpeg guesses them, and gives those of presentation at first.
        place = timebase.place(packet.stream.type, used, duration, REORDERED * apart if self._indexed else 0.0)
        if used != at:
            place = replace(place, offset=place.offset + used - at)
        t = at if packet.pts is None else packet.pts * unit
        if self._guessed and packet.stream is self.video:
            packet.pts = None
        times = t + place.offset, at + place.offset
        return Entry(packet, *times, place, packet.pts is not None, picture, apart, duration)

    def _picture(self, packet: StreamPacket) -> Picture:
        """Return how ``packet`` is coded; in other codecs than H.264 every packet is a picture."""
        if self._pictures is not None and packet.stream is self.video:
            return self._pictures.read(memoryview(packet), packet.is_keyframe)
        return ENTRY if packet.is_keyframe else WHOLE

    def close(self) -> None:
        """Close the container and its proxy."""
        with contextlib.suppress(FFmpegError):
            self.container.close()
        self._close_proxy()

    def _close_proxy(self) -> None:
        if self._proxy is not None:
            self._proxy.close()


def content_key(path: str) -> str:
    """Return a key of a file's content: a hash of its size and its first and last MiB."""
    file = Path(path)
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as f:
        digest.update(f.read(_KEY_BYTES))
        f.seek(max(0, size - _KEY_BYTES))
        digest.update(f.read(_KEY_BYTES))
    return digest.hexdigest()[:16]
