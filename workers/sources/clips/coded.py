"""Encoded packets that are kept for clips, and what describes their tracks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from workers.sources.containers.container import Entry
from workers.sources.limits import bound_decoder
from workers.types import MediaLimits

if TYPE_CHECKING:
    AnyPacket = Packet[Any]  # generic in its stubs only
else:
    AnyPacket = Packet

TICKS = 90_000  # of a second: the time base of video in clips
_NUT = "nut"  # keeps the parameters of every codec as they are; Matroska and MP4 would convert them


class CodedPacket(NamedTuple):
    """A copy of a compressed packet: ``t`` of presentation and ``decode_t`` of decoding, stream seconds.

    ``entry``: decoding can begin with it. ``key``: its container marks it as a key frame.
    """

    data: bytes
    is_video: bool
    entry: bool
    key: bool
    t: float
    decode_t: float

    @classmethod
    def of(cls, entry: Entry, is_video: bool) -> "CodedPacket":
        """Return a copy of ``entry``."""
        packet = entry.packet
        key = bool(packet.is_keyframe)
        return cls(bytes(packet), is_video, not is_video or entry.picture.is_entry, key, entry.t, entry.decode_t)

    def packet(self) -> AnyPacket:
        """Return the packet for a decoder, in ``TICKS`` of stream time."""
        packet: AnyPacket = Packet(self.data)
        packet.time_base, packet.pts = Fraction(1, TICKS), round(self.t * TICKS)
        packet.is_keyframe = self.key
        return packet


@dataclass(frozen=True, slots=True)
class Tracks:
    """The parameters of an input's tracks, as ``describe_tracks`` wrote them; b"": it has none that can be kept.

    ``pix_fmt`` of its video is not among them.
    """

    described: bytes = b""
    pix_fmt: str | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Packets of one connection or file in decode order, and its tracks."""

    tracks: Tracks
    packets: Sequence[CodedPacket]

    @property
    def video(self) -> list[CodedPacket]:
        """Return the packets of video."""
        return [p for p in self.packets if p.is_video]

    @property
    def audio(self) -> list[CodedPacket]:
        """Return the packets of audio."""
        return [p for p in self.packets if not p.is_video]


@dataclass(frozen=True, slots=True)
class OpenTracks:
    """The tracks of a recording, from which decoders and the tracks of an output are made."""

    video: VideoStream | None
    audio: AudioStream | None

    def video_decoder(self, limits: MediaLimits) -> VideoCodecContext:
        """Return the decoder of video, which decodes in the calling thread only, and no larger frames."""
        assert self.video is not None
        context = self.video.codec_context
        context.thread_count = 1
        bound_decoder(context, limits)
        return context

    @property
    def audio_decoder(self) -> AudioCodecContext:
        """Return the decoder of audio."""
        assert self.audio is not None
        return self.audio.codec_context


def describe_tracks(video: VideoStream | None, audio: AudioStream | None) -> Tracks:
    """Return the parameters of an opened input's tracks, without audio if that cannot be described."""
    pix_fmt = video.codec_context.pix_fmt if video is not None else None
    for streams in ([video, audio], [video]):
        chosen = [s for s in streams if s is not None]
        try:
            return Tracks(_written(chosen), pix_fmt) if chosen else Tracks()
        except (FFmpegError, ValueError):
            continue
    return Tracks()


@contextmanager
def open_tracks(tracks: Tracks) -> Iterator[OpenTracks]:
    """Yield the tracks that ``describe_tracks`` described."""
    with av.open(BytesIO(tracks.described), format=_NUT) as container:
        streams = container.streams
        yield OpenTracks(streams.video[0] if streams.video else None, streams.audio[0] if streams.audio else None)


def _written(streams: Sequence[VideoStream | AudioStream]) -> bytes:
    """Return a NUT file with one empty packet of each track, for a file without any cannot be opened."""
    out = BytesIO()
    with av.open(out, "w", format=_NUT) as container:
        for stream in [container.add_stream_from_template(s, opaque=True) for s in streams]:
            packet: AnyPacket = Packet(bytes(4))
            packet.pts = packet.dts = 0
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, TICKS), stream, True
            container.mux(packet)
    return out.getvalue()
