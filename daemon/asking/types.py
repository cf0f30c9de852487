"""A question, and its answer: sentences, each with the moments on which it rests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Literal

from pydantic import BaseModel, ConfigDict

from alignment.errors import ExitCode, WatchwordError
from daemon.search.results import Moment

LONGEST = 500  # characters of a question
MOST_TURNS = 6  # of a dialogue that a question continues, the latest
MOST_SENTENCES = 8
LONGEST_SENTENCE = 500


class Form(BaseModel):
    """What the model fills in: all of it, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class AskError(WatchwordError):
    """A question cannot be asked."""

    code = "ask_impossible"
    exit_code = ExitCode.USAGE
    remedy = "see docs/second-opinion.md"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of an earlier answer, and the cameras on which it rests."""

    text: str
    cameras: frozenset[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a dialogue, and what was answered."""

    question: str
    answer: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class AskRequest:
    """One question; raise ``AskError`` where it is none.

    ``cameras`` None: all; ``since`` and ``until``: Unix seconds; "yesterday" is meant in ``zone``. Of ``earlier`` the
    latest ``MOST_TURNS`` count.
    """

    question: str
    zone: tzinfo
    earlier: tuple[Turn, ...] = ()
    cameras: frozenset[str] | None = None
    since: float | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise AskError("nothing is asked", "write a question")
        if len(self.question) > LONGEST:
            raise AskError(f"the question has more than {LONGEST} characters", "ask in a sentence or two")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise AskError("the end of the time is not after its beginning", "exchange them")


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that is asked about some cameras, and its server's address without secrets."""

    model: str
    server: str
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audience:
    """Which models see what: each camera is either asked about, or ``left_out``."""

    asked: tuple[Asked, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done for a question now; ``cameras``: on which it is."""

    step: Literal["planning", "searching", "answering"]
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer, with the numbers of the moments on which it rests: at least one."""

    text: str
    moments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NumberedMoment:
    """A moment that was found. ``rule``: of its event; None: it was found in the index."""

    number: int
    moment: Moment
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """What was looked for: descriptions, words, events of ``rules``; when (Unix seconds), in how much of a camera.

    ``events_of``: how many events there were of each rule, also those that are not among the moments.
    """

    descriptions: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    hours_of: Mapping[str, float] = field(default_factory=dict)
    events_of: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing is answered about some cameras: a stable code, and what to do."""

    code: str
    message: str
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question. ``moments``: all that were found, in order of number.

    ``answered``: there are sentences; ``not_seen``: nothing that was found supports one; ``failed``: the model gave no
    answer. ``left_out``: cameras about which no model may be asked.
    """

    state: Literal["answered", "not_seen", "failed"]
    sentences: tuple[Sentence, ...]
    moments: tuple[NumberedMoment, ...]
    searched: tuple[Searched, ...]
    failures: tuple[Failure, ...] = ()
    left_out: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_turn(self, question: str) -> Turn:
        """Return this answer as a turn of the dialogue in which ``question`` was asked."""
        cameras = {one.number: one.moment.camera for one in self.moments}
        said = (Said(s.text, frozenset(cameras[n] for n in s.moments)) for s in self.sentences)
        return Turn(question, tuple(said))
