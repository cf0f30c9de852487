"""Route the packets of one opened input: video to the sampling decoder, audio to the audio track."""

from collections.abc import Iterator

from av.video.codeccontext import VideoCodecContext

from workers.sources.containers.container import REORDERED, Entry, Media
from workers.sources.counters import Counters
from workers.sources.decode.audio import AudioTrack
from workers.sources.decode.gop import GopDecoder
from workers.sources.decode.lazy import LazyDecoder
from workers.sources.decode.packets import (
    FrameDecoder,
    Grid,
    KeyframeTier,
    PacketDecoder,
    PlainDecoder,
    Sampled,
    is_one_to_one,
)
from workers.sources.limits import decoder_pixels
from workers.types import AudioChunk, CameraSpec

KEYFRAME_TIER_FPS = 1.0  # at most, or streams of only key frames (MJPEG) would be expensive
MAX_REORDER_S = 10.0  # between decoding and presentation, where frames are not shown for seconds each


def make_grid(camera: CameraSpec) -> Grid:
    """Return the sampling grid of ``camera``."""
    return Grid(KEYFRAME_TIER_FPS if camera.fps == "keyframes" else camera.fps)


def make_decoder(
    context: VideoCodecContext, packets: PacketDecoder, camera: CameraSpec, live: bool, grid: Grid
) -> FrameDecoder:
    """Return the cheapest decoder for this codec, sampling rate and kind of source."""
    sampler: FrameDecoder
    if not is_one_to_one(context):
        sampler = PlainDecoder(packets, grid)
    elif live:
        sampler = LazyDecoder(packets, grid)
    else:
        sampler = GopDecoder(packets, grid)
    return KeyframeTier(packets, grid, sampler) if camera.fps == "keyframes" else sampler


class Demuxer:
    """Decodes the sampled frames and the audio of one opened input."""

    def __init__(self, camera: CameraSpec, media: Media, grid: Grid, counters: Counters) -> None:
        video, audio = media.video, media.audio
        self._counters = counters
        self._video_index = video.index if video else -1
        self._packets = PacketDecoder(video.codec_context, counters, decoder_pixels(camera.limits)) if video else None
        self._video = (
            make_decoder(video.codec_context, self._packets, camera, media.live, grid)
            if video and self._packets
            else None
        )
        self._audio = AudioTrack(camera.name, audio.codec_context, counters) if audio else None

    @property
    def damaged(self) -> int:
        """Return how many video packets could not be decoded."""
        return self._packets.damaged if self._packets else 0

    @property
    def damaged_audio(self) -> int:
        """Return how many audio packets could not be decoded."""
        return self._audio.damaged if self._audio else 0

    def feed(self, entry: Entry) -> Iterator[Sampled | AudioChunk]:
        """Process the next packet; yield finished frames and audio."""
        apart = abs(entry.t - entry.decode_t)
        if apart > max(MAX_REORDER_S, REORDERED * entry.apart_s):
            self._counters.dropped("corrupt")  # a damaged time stamp; the frame would be damaged too
            return
        if self._video is not None and entry.packet.stream_index == self._video_index:
            yield from self._video.feed(entry)
        elif self._audio is not None:
            yield from self._audio.feed(entry)

    def finish(self) -> Iterator[Sampled | AudioChunk]:
        """Yield the remaining frames and audio at the end of the input."""
        if self._video is not None:
            yield from self._video.finish()
        if self._audio is not None:
            yield from self._audio.finish()
