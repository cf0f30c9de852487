"""The first of two requests to the model: what is to be searched for, so that a question can be answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import Field, JsonValue

from daemon.asking.times import DAYS, When, resolve
from daemon.asking.types import MOST_TURNS, AskRequest, Form, Turn
from daemon.search.request import LONGEST, SearchRequest
from daemon.vlm.types import Question
from workers.detectors.classes import NAMES

MOST_SEARCHES = 4
MOST_FOUND = 8  # moments of one search
INSTRUCTIONS = f"""You turn a question about recordings of cameras into searches of an index. You do not answer it.
The index finds pictures and sounds by a short description, and sentences by what was said. `rules` are events that the
cameras report: name those whose events may answer the question. Leave `searches` and `rules` empty for an open question
such as "what happened?": then all events of the time are looked at.
A description names only what one picture shows: "a person at a gate", not who it was, why, when, or on which camera.
Put times into `when`: today, yesterday, {DAYS[0]} to {DAYS[-1]}, a date; 24-hour times; the night is 20:00 to 06:00.
`earlier` is the dialogue before: use it to understand what the question refers to."""


class PlannedSearch(Form):
    """One search."""

    description: str = Field(
        max_length=LONGEST, description="What somebody says, if `spoken`; otherwise what one picture shows, or a sound."
    )
    spoken: bool = Field(description="The description is what somebody says.")
    classes: list[str] = Field(max_length=5, description="Kinds of objects that must be seen near by.")
    words: str = Field(max_length=200, description="Words that somebody says literally.")


class Plan(Form):
    """What is to be searched for, on which cameras (none: all) and when."""

    searches: list[PlannedSearch] = Field(max_length=MOST_SEARCHES)
    rules: list[str] = Field(max_length=20)
    cameras: list[str] = Field(max_length=100)
    when: When | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is searched for: requests to the index, rules and words in the event log; on some cameras, at some time.

    ``all_events``: nothing in particular is looked for among events.
    """

    requests: tuple[SearchRequest, ...]
    rules: tuple[str, ...]
    words: tuple[str, ...]
    cameras: frozenset[str]
    since: float | None
    until: float | None
    all_events: bool


def plan_question(
    request: AskRequest, cameras: frozenset[str], rules: Mapping[str, Sequence[str]], now: datetime
) -> Question[Plan]:
    """Return the request for a plan; ``rules``: descriptions by name; ``cameras``: those that may be known of."""
    data: dict[str, JsonValue] = {
        "question": request.question,
        "earlier": earlier_data(request.earlier, cameras),
        "cameras": [*sorted(cameras)],
        "rules": {name: [*words] for name, words in rules.items()},
        "classes": [*NAMES],
        "now": f"{now:%A %Y-%m-%d %H:%M}",
    }
    return Question(INSTRUCTIONS, data, (), Plan)


def earlier_data(turns: Sequence[Turn], cameras: frozenset[str]) -> list[JsonValue]:
    """Return the dialogue as data, without sentences that rest on other cameras."""
    return [
        {"question": turn.question, "answer": " ".join(said.text for said in turn.answer if said.cameras <= cameras)}
        for turn in turns[-MOST_TURNS:]
    ]


def lookup(
    plan: Plan | None, request: AskRequest, cameras: frozenset[str], rules: Mapping[str, Sequence[str]], now: datetime
) -> Lookup:
    """Return what a plan means, within the reader's cameras and times; what it names and does not exist is left out.

    Where there is no plan, or no search in it, the question itself is the description.
    """
    plan = plan or Plan(searches=[], rules=[], cameras=[], when=None)
    own = PlannedSearch(description=request.question[:LONGEST], spoken=False, classes=[], words="")
    searches = plan.searches or [own]
    among = cameras.intersection(plan.cameras) or cameras
    since, until = _time(plan.when, request, now)
    known = tuple(name for name in dict.fromkeys(plan.rules) if name in rules)
    where = partial(SearchRequest, cameras=among, since=since, until=until, limit=MOST_FOUND)
    requests = tuple(request for one in searches for request in _requests(one, where))
    words = tuple(one.words.strip() for one in searches if one.words.strip())
    return Lookup(requests, known, words, among, since, until, all_events=not plan.searches and not known)


def _requests(planned: PlannedSearch, where: Callable[..., SearchRequest]) -> Iterator[SearchRequest]:
    """Yield a request for a description, or else for objects; and one for words on their own."""
    text, classes = planned.description.strip(), tuple(name for name in planned.classes if name in NAMES)
    if text or classes:
        yield where(text=text, spoken=planned.spoken and bool(text), classes=classes)
    if words := planned.words.strip():
        yield where(words=words)


def _time(when: When | None, request: AskRequest, now: datetime) -> tuple[float | None, float | None]:
    """Return the time that the model names within the reader's; the reader's alone where that is none, or elsewhere."""
    try:
        since, until = resolve(when, now) if when else (None, None)
    except (ValueError, OverflowError):
        since = until = None
    since = max((t for t in (since, request.since) if t is not None), default=None)
    until = min((t for t in (until, request.until) if t is not None), default=None)
    if since is not None and until is not None and since >= until:
        return request.since, request.until
    return since, until
