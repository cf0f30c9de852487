"""What a backtest takes and finds. Times are stream seconds: Unix for live cameras, from 0 for files."""

from dataclasses import dataclass, field
from enum import StrEnum, unique

from alignment.personal.scorer import Heads
from alignment.types import F32, F64, EventQuery
from workers.index.types import StoredFile
from workers.services.clients import EncoderDescription
from workers.types import EventSpec


@dataclass(frozen=True, slots=True)
class TriedRule:
    """A rule on one camera with its description embedded by an encoder. Its query has the encoder's vocabulary.

    ``heads``: that of the rule, if people have judged its events.
    """

    camera: str
    spec: EventSpec
    query: EventQuery
    encoder: EncoderDescription
    heads: Heads = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """From one Unix second to another."""

    since: float
    until: float

    @property
    def days(self) -> float:
        """Return its length in days."""
        return (self.until - self.since) / 86_400


@dataclass(frozen=True, slots=True)
class Hit:
    """One event that the rule would have reported, by the id that it would have had. ``best``: its surest moment.

    ``frame``: mean feature f32[D] of what it shows; None without frames. ``file``: of an upload or a file.
    """

    camera: str
    id: str
    live: bool
    start: float
    end: float
    score: float
    peak: float
    best: float
    over_budget: bool
    threshold: float | None
    frame: F32 | None = field(default=None, compare=False, repr=False)
    file: StoredFile | None = None


@unique
class Reason(StrEnum):
    """Why a time cannot be judged."""

    NOT_RECORDED = "not_recorded"  # the camera, the daemon or its index was off, or parts were lost or forgotten
    ENCODER = "encoder"  # another model saw it
    OBJECTS = "objects"  # nobody looked for objects
    SOUNDS = "sounds"  # nobody listened for sounds
    SPEECH = "speech"  # nobody listened for speech
    ZONE = "zone"  # the zone was not looked at by itself


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A time of one camera that cannot be judged."""

    camera: str
    start: float
    end: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Tally:
    """Watched hours, and how many events each threshold would have given in them: f64[K] of K rising thresholds."""

    levels: F64
    counts: F64
    hours: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.levels, self.counts + other.counts, self.hours + other.hours)


@dataclass(frozen=True, slots=True)
class CameraResult:
    """What a backtest found on one camera."""

    camera: str
    hits: tuple[Hit, ...]
    tally: Tally
    unjudged: tuple[Unjudged, ...]
    clips: int = 0  # that were judged
    replayed: int = 0  # of those: decided one by one, as nothing cheaper could tell
