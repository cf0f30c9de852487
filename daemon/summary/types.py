"""What summaries hold. Times are stream seconds: Unix time of live cameras, else seconds from a file's beginning."""

from dataclasses import dataclass

from alignment.summary.chapters import Chapter
from alignment.summary.tags import Tag
from workers.events.event import Event

Curve = tuple[tuple[float, float], ...]  # time, and how unlike all else it was then (robust standard deviations)


@dataclass(frozen=True, slots=True)
class Moment:
    """A short stretch of one camera or file that tells something: what is shown of it, and why it was chosen.

    ``events`` happen in it, the surest first; ``novelty``: it is unlike all else that is shown; neither: it is typical
    of its chapter. ``thumbnail``: where no event happens, of a small picture in the index the key of its stream and its
    time.
    """

    camera: str
    start: float
    end: float
    best: float
    live: bool
    events: tuple[Event, ...] = ()
    novelty: float | None = None
    thumbnail: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule has reported something, how much of it beyond its budget, and on which cameras."""

    event: str
    count: int
    over_budget: int
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CameraDay:
    """One live camera: its number of events, and its novelty; no curve where no index of that time is kept."""

    name: str
    events: int
    curve: Curve = ()


@dataclass(frozen=True, slots=True)
class FileCount:
    """A file that was watched in that time: as its events name it, and how many they are."""

    file: str
    events: int


@dataclass(frozen=True, slots=True)
class DaySummary:
    """What live cameras saw between two Unix times; ``moments`` in order of time. ``notes``: what is not known."""

    since: float
    until: float
    cameras: tuple[CameraDay, ...]
    rules: tuple[RuleCount, ...]
    moments: tuple[Moment, ...]
    events: tuple[Event, ...]  # all of them, by start
    files: tuple[FileCount, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedChapter:
    """A chapter and what it is about; an empty title where nothing is known of that."""

    chapter: Chapter
    title: str


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What one file shows; ``highlights`` in order of time."""

    file: str
    duration: float
    tags: tuple[Tag, ...]
    chapters: tuple[NamedChapter, ...]
    highlights: tuple[Moment, ...]
    curve: Curve
    notes: tuple[str, ...] = ()
