"""Write packets as an MP4 without encoding them again; audio that a browser does not play becomes AAC."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO

import av
from av import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError

from workers.sources.clips.coded import TICKS, AnyPacket, CodedPacket, OpenTracks, Recording
from workers.sources.limits import MAX_HZ, MIN_HZ

AUDIO_KEPT = {"aac", "mp3"}  # what every browser and phone plays in an MP4
AAC_BITS = 64_000  # a second
MAX_AAC_HZ = 48_000
# The index lies before the media ("faststart") in space that is reserved for it: bytes at most for one packet, and for
# all else. What is not needed of it stays empty.
_SAMPLE_BYTES, _INDEX_BYTES = 56, 16 << 10


def open_output(out: BytesIO, packets: int, note: str) -> OutputContainer:
    """Return an MP4 whose index, of so many packets, lies at its beginning; ``note`` is its comment."""
    reserved = _INDEX_BYTES + _SAMPLE_BYTES * packets
    container = av.open(out, "w", format="mp4", container_options={"moov_size": str(reserved)})
    container.metadata["comment"] = note
    return container


def remux(recording: Recording, tracks: OpenTracks, note: str) -> bytes:
    """Return an MP4 of the packets; raise ``FFmpegError`` where the container does not take them."""
    out, base = BytesIO(), min(p.t for p in recording.video or recording.audio)
    with open_output(out, 2 * len(recording.packets), note) as container:
        packets = list(_video(container, recording.video, tracks, base)) if recording.video else []
        packets += audio_packets(container, recording.audio, tracks, base)
        for packet in sorted(packets, key=_decode_s):
            container.mux(packet)
    return out.getvalue()


def _video(
    container: OutputContainer, packets: Sequence[CodedPacket], tracks: OpenTracks, base: float
) -> Iterator[AnyPacket]:
    assert tracks.video is not None
    stream = container.add_stream_from_template(tracks.video, opaque=True)
    if tracks.video.codec_context.name == "hevc":
        stream.codec_context.codec_tag = "hvc1"  # Apple's players take no other
    for coded, (pts, dts) in zip(packets, decode_stamps([p.t - base for p in packets]), strict=True):
        packet = coded.packet()
        packet.pts, packet.dts, packet.stream = pts, dts, stream
        packet.is_keyframe = coded.key or coded.entry
        yield packet


def decode_stamps(times: Sequence[float]) -> list[tuple[int, int]]:
    """Return presentation and decode times in ``TICKS`` of packets in decode order, from their ``times`` in seconds.

    Decode times are new: those of cameras are missing, equal or later than those of presentation.
    """
    order = sorted(range(len(times)), key=lambda i: times[i])
    pts, last = [0] * len(times), -1
    for i in order:
        pts[i] = last = max(last + 1, round(times[i] * TICKS))
    rising = sorted(pts)
    delay = max((r - p for r, p in zip(rising, pts, strict=True)), default=0)
    return [(p, r - delay) for p, r in zip(pts, rising, strict=True)]


def audio_packets(
    container: OutputContainer, packets: Sequence[CodedPacket], tracks: OpenTracks, base: float
) -> list[AnyPacket]:
    """Add a track of audio; return its packets, encoded as AAC unless every player takes them as they are."""
    if tracks.audio is None or not packets or not MIN_HZ <= tracks.audio.codec_context.sample_rate <= MAX_HZ:
        return []
    if tracks.audio.codec_context.name not in AUDIO_KEPT:
        return _as_aac(container, packets, tracks, base)
    stream = container.add_stream_from_template(tracks.audio, opaque=True)
    rate, kept, last = tracks.audio.codec_context.sample_rate, list[AnyPacket](), -1
    for coded in packets:
        at = round((coded.t - base) * rate)
        if at <= last:  # repeated: HLS segments that overlap
            continue
        packet = coded.packet()
        packet.time_base, packet.pts, packet.dts, packet.stream = Fraction(1, rate), at, at, stream
        kept.append(packet)
        last = at
    return kept


def _as_aac(
    container: OutputContainer, packets: Sequence[CodedPacket], tracks: OpenTracks, base: float
) -> list[AnyPacket]:
    decoder = tracks.audio_decoder
    rate = min(decoder.sample_rate, MAX_AAC_HZ)
    stream: AudioStream = container.add_stream("aac", rate=rate, layout="mono", bit_rate=AAC_BITS)
    resampler = AudioResampler("fltp", "mono", rate)
    encoded, at = list[AnyPacket](), round((packets[0].t - base) * rate)
    for coded in packets:
        gap = round((coded.t - base) * rate) - at
        if gap > rate:  # audio that is missing stays missing: the next frames keep their times
            at += gap
        try:
            frames = [r for f in decoder.decode(coded.packet()) for r in resampler.resample(f)]
        except (FFmpegError, ValueError):  # damaged, or another format
            continue
        for frame in frames:
            frame.pts, frame.time_base = at, Fraction(1, rate)
            at += frame.samples
            encoded += stream.encode(frame)
    return encoded + stream.encode(None)


def _decode_s(packet: AnyPacket) -> float:
    return (packet.dts or 0) * float(packet.time_base)
