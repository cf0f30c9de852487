"""A rule over time tried on the past: of what its parts would have reported, and of time that can be judged."""

import numpy as np

from alignment.temporal.expressions import Ref
from alignment.temporal.rule import TemporalRule
from daemon.backtest.over_time import made_of
from daemon.backtest.types import CameraResult, Hit, Period, Reason, Tally, Unjudged
from daemon.config.when import parse_when

T = 1_790_000_000.0
PERSON, DOG = Ref("gate", "person"), Ref("yard", "dog")
STALLS = {"gate": 15.0, "yard": 15.0}


def result(camera: str, *spans: tuple[float, float], gaps: tuple[tuple[float, float], ...] = ()) -> CameraResult:
    hits = tuple(
        Hit(camera, f"{camera}{n}", True, T + start, T + end, 0.9, 0.9, T + start, False, 0.5)
        for n, (start, end) in enumerate(spans)
    )
    unjudged = tuple(Unjudged(camera, T + start, T + end, Reason.NOT_RECORDED) for start, end in gaps)
    return CameraResult(camera, hits, Tally(np.zeros(0), np.zeros(0)), unjudged)


def found(when: str, person: CameraResult, dog: CameraResult) -> list[tuple[float, float]]:
    rule = TemporalRule("made", "gate", parse_when(when).expression, when)
    results = {PERSON: person, DOG: dog}
    return [(o.start - T, o.end - T) for o in made_of(rule, results, Period(T, T + 1000), STALLS)]


def test_parts_make_the_events_that_they_would_have_made() -> None:
    person, dog = result("gate", (10, 20), (500, 510)), result("yard", (50, 55), (700, 710))
    assert found("gate.person then yard.dog within 60s", person, dog) == [(10, 55)]
    assert found("gate.person then no yard.dog for 100s", person, dog) == [(500, 610)]


def test_absence_is_found_in_time_that_can_be_judged_only() -> None:
    person = result("gate", (10, 20), (500, 510))
    assert found("gate.person then no yard.dog for 60s", person, result("yard")) == [(10, 80), (500, 570)]
    assert found("gate.person then no yard.dog for 60s", person, result("yard", gaps=((40, 60),))) == [(500, 570)]
    short = result("yard", gaps=((40, 50),))  # no stall for anybody else either
    assert found("gate.person then no yard.dog for 60s", person, short) == [(10, 80), (500, 570)]
    assert found("gate.person then no yard.dog for 60s", person, result("yard", gaps=((0, 1000),))) == []
