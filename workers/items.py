"""What a stream decides on, item by item: frames, speech and audio with their features, and the ends of segments.

The index stores these items, so that the same decisions can be made again (``workers/index``).
"""

from dataclasses import dataclass

from alignment.types import F32, F64, Detections
from workers.types import Areas, SoundTags, Utterance

MOST_OBJECTS = 32  # M: of a frame, the surest first


@dataclass(frozen=True, slots=True)
class ZoneAnswer:
    """What frames show within one zone: ``features`` f32[N, D], and the objects f32[N, M, 8] that stand in it."""

    features: F32
    detections: Detections | None
    areas: Areas = ()  # the zone; empty: the whole frame


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """Frames with their features: times ``pts_s`` [N] in stream seconds, ``features`` f32[N, D], objects [N, M, 8].

    ``behind``: the stream is late, and less important events are decided later.
    """

    segment: int
    pts_s: F64
    features: F32
    detections: Detections | None = None  # None: no event asks for objects
    zones: tuple[ZoneAnswer, ...] = ()
    behind: bool = False

    @property
    def start_s(self) -> float:
        """Return the stream second of the first frame."""
        return float(self.pts_s[0])


@dataclass(frozen=True, slots=True)
class FramesDropped:
    """Frames of a live stream without features. ``overload``: the encoder had no time for them."""

    segment: int
    start_s: float
    overload: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """The utterances of a voiced chunk, with their sentences embedded as f32[S, D']; both may be empty."""

    segment: int
    start_s: float
    utterances: tuple[Utterance, ...]
    features: F32


@dataclass(frozen=True, slots=True)
class AudioAnalysed:
    """Audio was analysed up to ``end_s``. No utterance that is still to come starts before ``settled_s``."""

    segment: int
    start_s: float
    end_s: float
    settled_s: float
    tags: SoundTags | None


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """All of this segment has been decided."""

    segment: int


StreamItem = FrameAnswer | FramesDropped | Transcript | AudioAnalysed | SegmentEnd
