"""What follows from hits: the budget that holds, and what they look like."""

from concurrent.futures import Future

import numpy as np
import pytest

from alignment.spans.allowance import MULTIPLE
from alignment.types import F32, ObjectQuery
from daemon.backtest.advice import BUDGETS, holding_budget, look_alikes
from daemon.backtest.types import Hit
from tests.daemon.backtest.deciding.test_skipping import CARS, query

DAY = 86_400.0


def hit(t: float, peak: float = 0.9, frame: F32 | None = None) -> Hit:
    return Hit("cam", f"{t:.0f}", True, t, t + 5, peak, peak, t, False, 0.6, frame)


@pytest.mark.parametrize(("days", "a_day", "budget"), [(28, 1, "1/day"), (28, 5, "3/day"), (28, 1 / 7, "1/week")])
def test_the_smallest_budget_that_holds(days: int, a_day: float, budget: str) -> None:
    hits = [hit(n * DAY / a_day) for n in range(round(days * a_day))]
    assert holding_budget([hits, []]) == budget
    assert a_day <= MULTIPLE * 24 * BUDGETS[budget]


def test_each_camera_has_a_budget_of_its_own() -> None:
    hits = [hit(n * DAY) for n in range(7)]
    assert holding_budget([hits, hits, hits]) == holding_budget([hits])


def test_no_budget_is_large_enough_for_an_event_a_second() -> None:
    assert holding_budget([[hit(float(n)) for n in range(3600)]]) is None


class Names:
    """Names what features show by their largest number."""

    def nearest_name(self, frames: F32) -> "Future[str]":
        found: Future[str] = Future()
        found.set_result(["plush cat", "sports car", ""][int(frames.mean(axis=0).argmax())])
        return found


def test_what_hits_show_is_named_unless_the_description_says_it() -> None:
    cat, car, nothing = np.eye(3, dtype=np.float32)
    hits = [hit(0, frame=cat), hit(10, frame=car), hit(20, frame=cat), hit(30, frame=nothing), hit(40)]
    (alike,) = look_alikes(hits, query(), ["a red car"], Names())
    assert (alike.name, alike.hits, alike.unlike, alike.first) == ("plush cat", 2, "a plush cat", "0")
    assert len(look_alikes(hits, query(), ["a man"], Names())) == 2


def test_a_contrast_is_not_suggested_where_it_has_no_say() -> None:
    hits = [hit(0, frame=np.eye(3, dtype=np.float32)[0])]
    assert look_alikes(hits, query(ObjectQuery((CARS,))), ["a car"], Names()) == ()
