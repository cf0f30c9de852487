"""Choose the tracks to read: what decodes, what moves, and audio that belongs to the video."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
_FRAMES = "NUMBER_OF_FRAMES"  # Matroska's statistics of a track, with or without a language behind it

AnyTrack = TypeVar("AnyTrack", VideoStream, AudioStream)


@dataclass(frozen=True, slots=True)
class Tracks:
    """The chosen tracks; ``passed_over`` names those that this machine cannot decode."""

    video: VideoStream | None
    audio: AudioStream | None
    passed_over: tuple[str, ...]


class NoSuchTrack(ValueError):
    """The audio track that was asked for is not there."""


def choose_tracks(container: InputContainer, audio: bool, audio_track: int | None) -> Tracks:
    """Return the tracks to read; raise ``NoSuchTrack``. ``audio``: whether any; ``audio_track``: which one."""
    videos = [s for s in container.streams.video if not s.disposition & _COVERS]
    sounds = list(container.streams.audio) if audio else []
    passed_over = (*_undecodable(videos, "video"), *_undecodable(sounds, "audio"))
    video = pick_video(container)
    if audio_track is None or not audio:
        candidates = [s for s in sounds if _decodes(s) and belong_together(container, video, s)]
        return Tracks(video, _first(candidates), passed_over)
    if audio_track >= len(sounds):
        raise NoSuchTrack(f"no audio track {audio_track}, there are {len(sounds)}")
    return Tracks(video, _first([s for s in (sounds[audio_track],) if _decodes(s)]), passed_over)


def pick_video(container: InputContainer) -> VideoStream | None:
    """Return the video to watch: not a cover or a still picture beside a moving one (AVIF), else the default."""
    videos = [s for s in container.streams.video if _decodes(s) and not s.disposition & _COVERS]
    return _first([s for s in videos if not _is_still(s)] or videos)


def belong_together(container: InputContainer, video: VideoStream | None, audio: AudioStream) -> bool:
    """Return whether both are in one programme of a transport stream; True where there are no programmes.

    PyAV shows no programmes, but FFmpeg's best track related to another one is in the same programme.
    """
    if video is None:
        return True
    best = container.streams.best
    return best("audio", related=video) is audio or best("video", related=audio) is best("video", related=video)


def _decodes(stream: Stream) -> bool:
    """Return whether FFmpeg has a decoder; PyAV gives no context to a track without one, whatever its stubs say."""
    context: object | None = stream.codec_context
    return context is not None


def _undecodable(streams: Sequence[Stream], kind: str) -> Iterable[str]:
    for number, stream in enumerate(streams):
        if not _decodes(stream):
            yield f"{kind} track {number} of {len(streams)} has no decoder here"


def _is_still(stream: VideoStream) -> bool:
    counts = [value for name, value in stream.metadata.items() if name.startswith(_FRAMES)]
    return stream.frames == 1 or "1" in counts


def _first(streams: Sequence[AnyTrack]) -> AnyTrack | None:
    """Return the track that the container marks as default, else the first one."""
    return max(streams, key=lambda s: (bool(s.disposition & Disposition.default), -s.index), default=None)
