"""Types between the stages of alignment. Frozen; every array states shape, dtype and unit.

T clips on one time axis (a clip is one sampled frame and the time around it), S utterances, D and D' the widths of
the frame space and of the sentence space, K classes of sound, M the most objects that a detector reports of a frame.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]


def _no_rows() -> F32:
    return np.zeros((0, 0), np.float32)


Modality = Literal["vision", "speech", "sound"]
MODALITIES: tuple[Modality, ...] = ("vision", "speech", "sound")
SOUND_CLASSES = 521  # K: those of AudioSet that YAMNet knows; ``lexicon.sound_classes`` has their names


DETECTED_COLOURS = ("red", "yellow")
Detections = F32
"""f32[..., M, 8]: of each object the number of its class, the calibrated logit of its score (from 0 on it counts as
seen), its box (left, top, right, bottom; 0 to 1), and, of vehicles, the shares of ``DETECTED_COLOURS`` in the
box, 0 to 1. Rows without an object have the logit minus infinity."""


@dataclass(frozen=True, slots=True)
class Counted:
    """At least ``count`` objects of any of ``classes`` (numbers of a detector's classes).

    ``colour``: one of ``DETECTED_COLOURS``, of which they must have enough; None: they may have any. ``ease`` is added
    to their logits, for classes that a detector is rarely sure of. ``kinds``: which rows of the event's ``animals``
    they are; a frame that looks more like another row shows another animal. Empty: the look does not matter.
    """

    classes: tuple[int, ...]
    count: int = 1
    colour: int | None = None
    ease: float = 0.0
    kinds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectQuery:
    """What one description asks of the detected objects: frames in which all of ``wanted`` are seen.

    ``absent``: instead, frames in which none of them is seen. ``frames`` is how the features of frames count: not at
    all; as another sign of the same ("either"); as a second sign of what is faintly detected ("confirm"); or as the
    proof of what the description says beyond its objects ("both"). ``veto``: while one of these classes is seen,
    features count as no sign. ``place``: only where the camera has shown one of these classes before or, with
    ``elsewhere``, where it has shown none.
    """

    wanted: tuple[Counted, ...]
    absent: bool = False
    frames: Literal["ignore", "either", "confirm", "both"] = "ignore"
    veto: tuple[int, ...] = ()
    place: tuple[int, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class EventQuery:
    """One described event as embeddings (P paraphrases, C contrasts; rows have unit length).

    ``prior`` is the belief, 0 to 1 and in the order of ``MODALITIES``, that the description is about what is seen,
    said or heard; 0 switches a modality off.
    """

    event: str
    vision: F32  # [P, D]
    vision_unlike: F32  # [C, D]
    speech: F32  # [P, D']
    speech_unlike: F32  # [C, D']
    sound: F32  # [K] weight of each class's probability; 0: not asked for
    prior: F32  # [3]
    words: tuple[str, ...] = ()  # the W words or phrases that carry the first paraphrase
    vision_words: F32 = field(default_factory=_no_rows)  # [W, D], no rows where it is not about what is seen
    speech_words: F32 = field(default_factory=_no_rows)  # [W, D'], no rows where it is not about what is said
    vocabulary: F32 = field(
        default_factory=_no_rows
    )  # [K, D] what the encoder knows by name; one array for all queries
    likeness: F32 = field(
        default_factory=lambda: np.zeros(0, np.float32)
    )  # [K] how alike each name and this description are, on the scale of MiniLM's cosines
    objects: tuple[
        ObjectQuery | None, ...
    ] = ()  # of each visual paraphrase; None: it names no object; empty: none does
    animals: F32 = field(default_factory=_no_rows)  # [A, D] kinds of animals, where ``objects`` ask for some
    read_as: tuple[str, ...] = ()  # what each paraphrase was taken to mean, for people


@dataclass(frozen=True, slots=True)
class FeatureWindow:
    """Consecutive clips of one camera with their frames, utterances and sound events."""

    bounds: F64  # [T, 2] start and end of each clip, stream seconds, rising
    frames: F32  # [T, D] unit rows; rows without a frame are zero
    frame_mask: Bools  # [T] True where a frame was seen
    speech: F32  # [S, D'] unit rows
    speech_t: F64  # [S, 2] start and end, stream seconds
    sound: F32  # [T, K] probability of each class
    sound_mask: Bools  # [T] True where audio was analysed
    detections: Detections | None = None  # [T, M, 8]; None: no detector runs


@dataclass(frozen=True, slots=True)
class ScoreTrack:
    """How probable one event is in each clip of a window."""

    event: str
    p: F32  # [T] calibrated probability
    bounds: F64  # [T, 2] where a span that begins (or ends) with this clip really begins (ends), stream seconds
    shares: F32  # [T, 3] each modality's part in p, in the order of MODALITIES; rows sum to 1


@dataclass(frozen=True, slots=True)
class Span:
    """One occurrence of an event, in stream seconds. ``score`` is the mean of its three highest probabilities."""

    event: str
    start: float
    end: float
    score: float
    open: bool
    shares: tuple[float, float, float]
    track: tuple[tuple[float, float], ...]  # (time, probability) of its clips, at most 75
    threshold: float | None = None  # on p, in force when it began
    over_budget: bool = False  # it exceeds what its false-alert budget allows as alerts

    @property
    def peak(self) -> float:
        """Return the highest probability in ``track``."""
        return max((p for _, p in self.track), default=0.0)


SpanChangeType = Literal["new", "update", "end"]


@dataclass(frozen=True, slots=True)
class SpanChange:
    """What happened to a span; ``opened`` (its first start, stream seconds) names the span for its whole life."""

    type: SpanChangeType
    opened: float
    revision: int
    span: Span
