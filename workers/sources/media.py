"""An opened container: its chosen streams, what probing told, and its packets placed in stream time."""

import contextlib
import errno
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from workers.errors import SourceError, SourceInvalid, SourceRefused, SourceTooLarge, SourceUnsupported
from workers.sources.gate import Gate
from workers.sources.limits import bound_decoder, excess, file_excess, open_options
from workers.sources.native import classify, make
from workers.sources.timebase import FORWARD_INDEXED_S, FORWARD_S, Place, Timebase
from workers.sources.url import Target, network_options
from workers.types import CameraSpec, SourceInfo

# Formats without time stamps, for which FFmpeg makes some up: 25 pictures a second, whatever the camera sends.
_UNTIMED = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "obu", "av1"}
LIVE_THREADS, FILE_THREADS = 2, 4  # per stream: many cameras share one machine
_KEY_BYTES = 1 << 20
_TS_DISCONT = cast(int, Flags.ts_discont.value)  # the format allows time stamps to jump

if TYPE_CHECKING:
    StreamPacket = Packet[Stream]  # generic in its stubs only
else:
    StreamPacket = Packet


@dataclass(slots=True, eq=False)
class Entry:
    """A compressed packet in time. ``t`` and ``decode_t`` are stream seconds of showing and decoding.

    ``exact`` says that ``t`` comes from a presentation time stamp; ``offered`` and ``wanted`` are the
    sampler's notes.
    """

    packet: StreamPacket
    t: float
    decode_t: float
    place: Place
    exact: bool
    offered: bool = False
    wanted: bool = False


def read_limit_s(camera: CameraSpec, target: Target) -> float:
    """Return how long one read may take: of a playlist as long as a segment lasts, while its server is not silent."""
    return max(camera.read_timeout_s, camera.stall_timeout_s if target.playlists else 0.0)


def stamp_s(packet: StreamPacket) -> float | None:
    """Return the time stamp by which packets are in order, in seconds; None if there is none."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return stamp * float(packet.time_base) if stamp is not None else None


class Media:
    """An opened input. Use ``close``; errors of opening are already ours."""

    def __init__(self, camera: CameraSpec, target: Target) -> None:
        self._camera = camera
        self.live = target.kind == "live"
        served = target.scheme in ("http", "https")
        self._gate = Gate(camera.name, camera.url, camera.hosts) if served else None
        try:
            self.container = self._open(target)
        except SourceError:
            self._close_gate()
            raise
        try:
            self.video = self._pick_video()
            self.audio = self._pick_audio() if camera.audio else None
            if not self.streams:
                raise make(SourceInvalid, camera.name, camera.url, "no video or audio stream")
            self._check_limits()
        except SourceError:
            self.close()
            raise
        self.untimed = self.live and self.container.format.name in _UNTIMED
        self.replays = self.container.format.name == "hls"  # a new connection may be given a segment once more
        self._ends: dict[int, float] = {}
        self._numbers = count()

    @property
    def streams(self) -> list[VideoStream | AudioStream]:
        """Return the chosen streams: picture, sound or both."""
        return [s for s in (self.video, self.audio) if s is not None]

    def _open(self, target: Target) -> InputContainer:
        options = network_options(target, self._camera.read_timeout_s) | open_options(self._camera.limits)
        name = target.name if self.live else f"file:{target.name}"  # a colon in it is no protocol
        if self._gate is not None:
            name, options["http_proxy"] = self._gate.entry, self._gate.url
        began = time.monotonic()
        try:
            container = av.open(
                name,
                format=target.format,
                options=options,
                timeout=(self._camera.open_timeout_s, read_limit_s(self._camera, target) if self.live else None),
                metadata_errors="replace",
            )
        except (FFmpegError, OSError, ValueError) as e:
            if not self.live and getattr(e, "errno", None) == errno.EINVAL:  # what FFmpeg says of `format_whitelist`
                reason = "its format is not among those that are read: playlists and scripts could point anywhere"
                raise make(SourceUnsupported, self._camera.name, self._camera.url, reason) from e
            if self._gate is not None and self._gate.denied:
                reason = f"it leads to {', '.join(sorted(self._gate.denied))}"
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

    def _pick_video(self) -> VideoStream | None:
        covers = Disposition.attached_pic | Disposition.timed_thumbnails
        streams = [s for s in self.container.streams.video if not s.disposition & covers]
        if not streams:
            return None
        best = max(streams, key=lambda s: (bool(s.disposition & Disposition.default), -s.index))
        context = best.codec_context
        context.thread_type = "SLICE" if self.live else "AUTO"
        context.thread_count = LIVE_THREADS if self.live else FILE_THREADS
        bound_decoder(context, self._camera.limits)
        return best

    def _pick_audio(self) -> AudioStream | None:
        streams = list(self.container.streams.audio)
        wanted = self._camera.audio_track
        if wanted is not None:
            if wanted >= len(streams):
                reason = f"no audio track {wanted}, there are {len(streams)}"
                raise make(SourceInvalid, self._camera.name, self._camera.url, reason)
            return streams[wanted]
        return max(streams, key=lambda s: (bool(s.disposition & Disposition.default), -s.index), default=None)

    def origin_s(self) -> float | None:
        """Return the first time stamp of any chosen stream, in seconds; None if the container does not say."""
        starts = [float(s.start_time * s.time_base) for s in self.streams if s.start_time is not None and s.time_base]
        return min(starts, default=None)

    def forward_s(self) -> float:
        """Return how far time stamps may leap before that counts as a discontinuity, in seconds."""
        return FORWARD_S if self.container.format.flags & _TS_DISCONT else FORWARD_INDEXED_S

    def duration_s(self) -> float | None:
        """Return the declared duration of the chosen streams in seconds."""
        ends = [float(s.duration * s.time_base) for s in self.streams if s.duration and s.time_base]
        if not ends and self.container.duration:
            ends = [self.container.duration / av.time_base]
        return max(ends, default=None)

    def info(self, key: str) -> SourceInfo:
        """Return what probing told."""
        video = self.video
        context = video.codec_context if video else None
        return SourceInfo(
            key=key,
            live=self.live,
            has_video=video is not None,
            has_audio=self.audio is not None,
            width=context.width if context else 0,
            height=context.height if context else 0,
            duration_s=None if self.live else self.duration_s(),
        )

    def packets(self) -> Iterator[StreamPacket | None]:
        """Yield the packets of the chosen streams in one pass, without the empty ones at the end.

        Of a live input yield None for those of other streams: PyAV passes over them without ever coming back, so that
        nobody could notice that the chosen ones have ceased, or stop.
        """
        chosen = self.streams
        while True:
            try:
                for packet in self.container.demux() if self.live else self.container.demux(chosen):
                    if packet.size:
                        yield packet if packet.stream in chosen else None
                return
            except IndexError:  # a stream that turned up after opening, for which PyAV has no object
                yield None

    def place(self, packet: StreamPacket, timebase: Timebase) -> Entry:
        """Return ``packet`` with its stream time. Without any time stamp it follows the one before.

        Where the format has none, a live packet's time is that of its arrival.
        """
        if self.untimed:
            packet.pts = packet.dts = next(self._numbers)  # by which a picture is known when it has been decoded
            at = timebase.arrival_s()
            place = timebase.place(packet.stream.type, at)
            return Entry(packet, at + place.offset, at + place.offset, place, True)
        unit = float(packet.time_base)
        duration = (packet.duration or 0) * unit
        stamp = stamp_s(packet)
        at = stamp if stamp is not None else self._ends.get(packet.stream_index, 0.0)
        self._ends[packet.stream_index] = at + duration
        place = timebase.place(packet.stream.type, at, duration)
        t = at if packet.pts is None else packet.pts * unit
        return Entry(packet, t + place.offset, at + place.offset, place, packet.pts is not None)

    def close(self) -> None:
        """Free the container."""
        with contextlib.suppress(FFmpegError):
            self.container.close()
        self._close_gate()

    def _close_gate(self) -> None:
        if self._gate is not None:
            self._gate.close()


def content_key(path: str) -> str:
    """Return a name for a file's content: a hash of its size and of its first and last MiB."""
    file = Path(path)
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with file.open("rb") as f:
        digest.update(f.read(_KEY_BYTES))
        f.seek(max(0, size - _KEY_BYTES))
        digest.update(f.read(_KEY_BYTES))
    return digest.hexdigest()[:16]
