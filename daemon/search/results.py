"""What a search finds: moments, how it was read, and what it could not look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of one camera or file.

    ``start``, ``end`` and ``peak``, its surest time, in stream seconds; ``start_unix`` and ``end_unix`` None for a
    file. ``key`` identifies the stream. ``score``: with ``probable`` the aligner's probability, else a likeness, which
    only orders; ``by`` "described": the share of the words that its caption has. ``said``: what is said in it;
    ``caption``: what a verifier wrote of it. ``event``: the id of an event that overlaps it; ``picture``: whether that
    has a snapshot; ``plays``: whether its clip or, of an ``upload`` that is still there, the file can be played.
    ``thumbnail``: where there is neither, the stream second of a small picture in the index; None: there is none.
    """

    camera: str
    key: str
    file: str | None
    live: bool
    start: float
    end: float
    peak: float
    score: float
    by: str
    said: str
    caption: str = ""
    start_unix: float | None = None
    end_unix: float | None = None
    event: str | None = None
    picture: bool = False
    plays: bool = False
    upload: bool = False
    thumbnail: float | None = None


@dataclass(frozen=True, slots=True)
class Unsearchable:
    """What a camera recorded with another model, whose features cannot be compared: hours of it, and from when on."""

    camera: str
    encoder: str
    hours: float
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Found:
    """The moments of one search, the best first. ``read_as``: how each description is read.

    ``hours_of``: how much was searched of each camera, and ``hours`` of all of them.
    """

    moments: tuple[Moment, ...]
    read_as: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unsearchable: tuple[Unsearchable, ...] = ()
    hours: float = 0.0
    hours_of: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    probable: bool = True
