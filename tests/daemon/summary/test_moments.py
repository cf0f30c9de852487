"""Which moments are chosen: fair to rules, the surest first, what overlaps once, a part for what is novel."""

import numpy as np

from alignment.summary.novelty import NovelMoment, Novelty
from daemon.summary.moments import CURVE_POINTS, Found, choose, curve_of
from tests.support.events import make_live
from workers.events.event import Event


def event(number: int, start: float, rule: str = "cat", score: float = 0.9, **changes: object) -> Event:
    evidence = {"snapshot": None, "clip": None, "top_frames": [[start + 1, score]], "words": []}
    fields = {"event": rule, "start": start, "end": start + 4, "score": score, "evidence": evidence}
    return make_live(number, **(fields | changes))


def test_every_rule_gives_its_surest_moment_and_the_rarest_rule_first() -> None:
    cats = [event(n, 100.0 * n, score=0.5 + n / 100) for n in range(1, 21)]
    dog = event(50, 5000.0, "dog", score=0.31)
    chosen = choose([Found("door", True, [*cats, dog], [])], 3)
    assert [(m.events[0].event, m.events[0].score) for m in chosen] == [("cat", 0.69), ("cat", 0.7), ("dog", 0.31)]


def test_what_is_over_budget_comes_last_and_what_is_novel_too_first() -> None:
    events = [event(1, 100.0, over_budget=True, score=0.99), event(2, 200.0, score=0.6), event(3, 300.0, score=0.7)]
    peak = NovelMoment(199.0, 205.0, 202.0, 9.0)
    assert [m.best for m in choose([Found("door", True, events, [peak])], 1)] == [201.0]
    assert [m.best for m in choose([Found("door", True, events, [])], 2)] == [201.0, 301.0]


def test_events_at_the_same_time_are_one_moment_but_not_those_of_another_camera() -> None:
    same = [event(1, 100.0, "cat"), event(2, 101.0, "animal", score=0.95)]
    chosen = choose([Found("door", True, same, []), Found("yard", True, [event(3, 110.0)], [])], 10)
    assert [(m.camera, [e.event for e in m.events]) for m in chosen] == [("door", ["animal", "cat"]), ("yard", ["cat"])]


def test_of_a_long_event_its_best_seconds_are_shown() -> None:
    long = event(1, 1000.0, end=9000.0, evidence=make_live().evidence.model_dump() | {"top_frames": [[4000.0, 0.9]]})
    (moment,) = choose([Found("door", True, [long], [])], 1)
    assert (moment.start, moment.end) == (3997.0, 4005.0)
    (first,) = choose([Found("file", False, [event(2, 0.0)], [])], 1)
    assert first.start == 0.0


def test_a_quarter_is_for_what_is_novel_and_more_where_there_are_few_events() -> None:
    events = [event(n, 100.0 * n) for n in range(1, 13)]
    peaks = [NovelMoment(5000.0 + 100 * n, 5003.0 + 100 * n, 5001.0 + 100 * n, 4.0 + n) for n in range(12)]
    chosen = choose([Found("door", True, events, peaks)], 8)
    assert [m.novelty for m in chosen if not m.events] == [14.0, 15.0]
    assert len(choose([Found("door", True, events[:1], peaks)], 8)) == 8
    assert choose([Found("door", True, [], [])], 8) == ()


def test_a_curve_keeps_its_peaks() -> None:
    values = np.zeros(10_000, np.float32)
    values[7777] = 30.0
    curve = curve_of(Novelty(np.arange(10_000.0), values))
    assert len(curve) <= CURVE_POINTS
    assert (7777.0, 30.0) in curve
