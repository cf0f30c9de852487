"""The expression of a rule over time, compiled from what people write. Durations are seconds.

Each expression stands for occurrences (``alignment.temporal.types``). ``Ref`` with the camera None stands for any
camera, the same for all of one expression: ``bind`` sets it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ref:
    """The spans of an event of a camera."""

    camera: str | None
    event: str


@dataclass(frozen=True, slots=True)
class Then:
    """``after`` begins after ``before`` is complete, and at most ``within_s`` after its end.

    Of several ``before`` the last one counts, of several ``after`` the first one.
    """

    before: "Expression"
    after: "Expression"
    within_s: float


@dataclass(frozen=True, slots=True)
class ThenNot:
    """No event of ``absent`` happens from when ``before`` is complete until ``for_s`` after its end."""

    before: "Expression"
    absent: tuple[Ref, ...]
    for_s: float


@dataclass(frozen=True, slots=True)
class While:
    """``what``, if ``during`` holds at some time of it."""

    what: "Expression"
    during: "Expression"


@dataclass(frozen=True, slots=True)
class All:
    """The time in which all of ``members`` hold at once."""

    members: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Each occurrence of each of ``members``."""

    members: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Lasting:
    """``what``, once it has held for ``at_least_s``."""

    what: "Expression"
    at_least_s: float


@dataclass(frozen=True, slots=True)
class Count:
    """From the first of ``what``, as long as at least ``at_least`` of them were complete within the last ``per_s``."""

    what: "Expression"
    at_least: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Absent:
    """A time of ``for_s`` or longer in which none of ``events`` happens, and all of their cameras are watched."""

    events: tuple[Ref, ...]
    for_s: float


Expression = Ref | Then | ThenNot | While | All | Any | Lasting | Count | Absent


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the expressions that one is made of, in the order in which they are written."""
    match expression:
        case Ref():
            return ()
        case Then(before, after, _):
            return before, after
        case ThenNot(before, absent, _):
            return before, *absent
        case While(what, during):
            return what, during
        case All(members) | Any(members):
            return members
        case Lasting(what) | Count(what):
            return (what,)
        case Absent(events):
            return events


def refs(expression: Expression) -> Iterator[Ref]:
    """Yield every event that an expression names, in the order in which they are written."""
    if isinstance(expression, Ref):
        yield expression
    for child in children(expression):
        yield from refs(child)


def bind(expression: Expression, camera: str) -> Expression:
    """Return the expression with ``camera`` for every event that names none."""

    def bound(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
        """Return the references with the camera filled in."""
        return tuple(_bound(ref, camera) for ref in refs)

    match expression:
        case Ref():
            return _bound(expression, camera)
        case Then(before, after, within_s):
            return Then(bind(before, camera), bind(after, camera), within_s)
        case ThenNot(before, absent, for_s):
            return ThenNot(bind(before, camera), bound(absent), for_s)
        case While(what, during):
            return While(bind(what, camera), bind(during, camera))
        case All(members) | Any(members):
            return replace(expression, members=tuple(bind(one, camera) for one in members))
        case Lasting(what) | Count(what):
            return replace(expression, what=bind(what, camera))
        case Absent(events, for_s):
            return Absent(bound(events), for_s)


def _bound(ref: Ref, camera: str) -> Ref:
    return ref if ref.camera is not None else Ref(camera, ref.event)


def longest_s(expression: Expression) -> float:
    """Return how far an expression looks back, seconds, besides the durations of its events."""
    own = {Then: "within_s", ThenNot: "for_s", Lasting: "at_least_s", Count: "per_s", Absent: "for_s"}.get(
        type(expression)
    )
    longest = max(map(longest_s, children(expression)), default=0.0)
    return longest + (float(getattr(expression, own)) if own else 0.0)
