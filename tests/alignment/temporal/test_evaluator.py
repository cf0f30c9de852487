"""The changes that a rule reports; the memory that it needs; a replay of what is known gives the same."""

from dataclasses import replace

import pytest

from alignment.temporal.evaluator import Evaluator
from alignment.temporal.expressions import Absent, All, Any, Count, Expression, Lasting, Ref, Then, ThenNot, While
from alignment.temporal.replay import replayed
from alignment.temporal.types import Change, Part, Progress
from tests.alignment.temporal.oracle import Oracle, shown
from tests.alignment.temporal.test_oracle import SOURCES, World

GATE, DOG, YARD = SOURCES
FORMS: tuple[Expression, ...] = (
    Then(GATE, Any((DOG, YARD)), 60.0),
    ThenNot(GATE, (YARD,), 60.0),
    While(GATE, Absent((DOG,), 20.0)),
    All((GATE, YARD)),
    Count(GATE, 3, 300.0),
    Lasting(GATE, 20.0),
    Absent((GATE, YARD), 60.0),
)


def span(name: str, source: Ref, start: float, end: float, is_open: bool = False) -> Part:
    return Part(name, source, start, end, is_open)


def told(changes: list[Change]) -> list[tuple[str, float, float]]:
    return [(change.type, change.occurrence.start, change.occurrence.end) for change in changes]


def test_an_event_begins_changes_when_its_parts_do_and_ends_once() -> None:
    rule = Evaluator(Then(GATE, DOG, 60.0))
    assert rule.step([span("p", GATE, 0, 10)]) == []
    assert told(rule.step([span("d", DOG, 30, 31, True)])) == [("new", 0, 31)]
    assert rule.step([span("d", DOG, 30, 41, True)]) == []  # that it grows is no news
    ((kind, change),) = [(c.type, c) for c in rule.step([span("c", DOG, 20, 25)])]  # an earlier one came late
    assert (kind, [p.id for p in change.occurrence.parts]) == ("end", ["p", "c"])
    assert rule.step([span("d", DOG, 30, 45)]) == []


def test_what_later_evidence_removes_ends() -> None:
    rule = Evaluator(Then(GATE, DOG, 60.0))
    rule.step([span("p", GATE, 0, 10), span("d", DOG, 30, 31, True)])
    changes = rule.step([span("q", GATE, 20, 25)])  # it is this one that the dog followed
    assert [(c.type, [p.id for p in c.occurrence.parts]) for c in changes] == [("end", ["p", "d"]), ("new", ["q", "d"])]


def test_what_is_known_of_an_open_span_beyond_its_last_revision_counts() -> None:
    rule = Evaluator(Lasting(GATE, 20.0))
    rule.step([span("p", GATE, 0, 5, True)])
    assert rule.step([], [Progress(GATE, 0, 18, 17)]) == []
    assert told(rule.step([], [Progress(GATE, 0, 25, 24)])) == [("new", 0, 24)]


def test_absence_needs_the_time_to_be_watched() -> None:
    rule = Evaluator(Absent((GATE,), 60.0))
    assert rule.step([], [Progress(GATE, 100, 159)]) == []
    assert rule.step([], [Progress(GATE, 200, 259)]) == []  # nobody knows what happened in between
    assert told(rule.step([], [Progress(GATE, 200, 261)])) == [("new", 200, 261)]
    assert rule.step([], [Progress(GATE, 200, 300)]) == []
    assert told(rule.step([], [Progress(GATE, 400, 410)])) == [("end", 200, 300)]


def test_a_watermark_that_jumps_loses_nothing() -> None:
    rule = Evaluator(Then(ThenNot(GATE, (DOG,), 60.0), YARD, 60.0))
    rule.step([], [Progress(s, 0, 5) for s in SOURCES])
    rule.step([span("p", GATE, 10, 20), span("y", YARD, 100, 110)])
    changes = rule.step([], [Progress(s, 0, 3000) for s in SOURCES])  # a rise had held it back, or the machine slept
    assert told(changes) == [("new", 10, 110), ("end", 10, 110)]
    assert (
        len(replayed(ThenNot(GATE, (DOG,), 60.0), [span("p", GATE, 10, 20)], [Progress(s, 0, 9000) for s in SOURCES]))
        == 1
    )


def test_the_end_of_everything_ends_what_goes_on() -> None:
    rule = Evaluator(Absent((GATE,), 60.0))
    rule.step([], [Progress(GATE, 0, 100)])
    assert told(rule.finish()) == [("end", 0, 100)]
    assert rule.finish() == []


def test_ids_are_made_of_the_first_parts() -> None:
    rule = Evaluator(Count(GATE, 2, 100.0))
    (first,) = rule.step([span("p", GATE, 0, 1), span("q", GATE, 10, 11)])
    changes = rule.step([span("r", GATE, 50, 51)], [Progress(GATE, 0, 60)])
    assert changes == []
    (last,) = rule.step([], [Progress(GATE, 0, 200)])
    assert last.occurrence.key == first.occurrence.key
    assert (last.type, last.occurrence.end, [p.id for p in last.occurrence.parts]) == ("end", 110, ["p", "q"])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
def test_replay_gives_what_the_definitions_give(form: Expression) -> None:
    for seed in range(4):
        world = World(seed)
        found = replayed(form, world.spans, world.stretches)
        got = {(round(o.start, 3), round(o.onset, 3), frozenset(p.id for p in o.parts)) for o in found}
        assert got == {
            (start, onset, ids) for start, onset, _, ids in shown(Oracle(world.spans, world.stretches).find(form))
        }


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
def test_memory_is_bounded(form: Expression) -> None:
    rule = Evaluator(form)
    sizes, since = [], 0.0
    for n in range(2400):
        start = 10.0 * n
        source = SOURCES[n % 3]
        rule.step([span(f"{n}", source, start, start + 4)], [Progress(s, since, start) for s in SOURCES])
        if n % 400 == 399:
            sizes.append(rule.size)
    assert max(sizes) < 300
    assert sizes[-1] <= 1.2 * sizes[0] + 5


@pytest.mark.parametrize("form", [Then(GATE, YARD, 60.0), Absent((GATE, YARD), 60.0), ThenNot(GATE, (YARD,), 60.0)])
def test_a_camera_that_is_down_for_long_is_not_waited_for_with_all_that_happens(form: Expression) -> None:
    rule = Evaluator(form)
    rule.step([], [Progress(YARD, 0, 100)])
    for n in range(1500):
        rule.step([span(f"{n}", GATE, 10.0 * n, 10.0 * n + 4)], [Progress(GATE, 0, 10.0 * n)])
    assert rule.size < 300


def test_order_within_a_step_does_not_matter() -> None:
    spans = [span("p", GATE, 0, 10), span("d", DOG, 30, 35), span("e", DOG, 40, 45)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        (begun, ended) = Evaluator(Then(GATE, DOG, 60.0)).step([spans[i] for i in order])
        assert [p.id for p in ended.occurrence.parts] == ["p", "d"]
        assert begun.occurrence == replace(ended.occurrence, open=True)
