"""What is shown before a backtest has decided: the likeliest moments, which the decisions bear out, and progress."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest

from daemon.backtest.estimate import Estimate
from daemon.backtest.request import Trial
from daemon.backtest.run import Backtest, BacktestModels, Stopped, backtest
from daemon.backtest.types import Period
from tests.daemon.backtest.test_live import ENCODER, NOTHING_LEARNED, PERIOD, TAPE
from tests.support.recorded.shards import write_stream
from tests.support.streams.live_items import EVENTS, START, live_items
from workers.index.reader import IndexReader
from workers.types import EventSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of four minutes of a stream."""
    folder = tmp_path_factory.mktemp("index")
    write_stream(folder, TAPE, list(live_items(0, 240)), each=150)
    return folder


def tried(folder: Path, spec: EventSpec, period: Period = PERIOD) -> tuple[Backtest, list[Estimate]]:
    """Return a backtest, and what it said before it had decided anything."""
    said: list[Estimate] = []
    decided: list[int] = []

    def note(estimate: Estimate) -> None:
        assert not decided
        said.append(estimate)

    models = BacktestModels(ENCODER, None, NOTHING_LEARNED)
    index = IndexReader(folder)
    found = backtest(
        Trial({"cam": spec}, period), index, models, lambda done, _: decided.append(done), on_estimate=note
    )
    return found, said


@pytest.mark.parametrize("spec", EVENTS, ids=lambda spec: spec.name)
def test_moments_that_are_likely_are_reported_later(folder: Path, spec: EventSpec) -> None:
    found, (estimate,) = tried(folder, spec)
    assert estimate.moments
    assert estimate.more == (spec.name == "bark")  # of which more than 32 were looked at
    assert [m.start for m in estimate.moments] == sorted(m.start for m in estimate.moments)
    borne_out = [any(h.start < m.end and h.end > m.start for h in found.hits) for m in estimate.moments]
    assert sum(borne_out) >= 0.8 * len(borne_out)  # a shortest duration, a zone and a budget have no say
    seen = [any(h.start < m.end and h.end > m.start for m in estimate.moments) for h in found.hits]
    assert sum(seen) >= 0.8 * len(seen)


def test_an_estimate_is_of_the_period_and_of_what_can_be_judged(folder: Path) -> None:
    red = EVENTS[0]
    _, (late,) = tried(folder, red, Period(START + 120, START + 180))
    assert all(m.end > START + 120 and m.start < START + 180 for m in late.moments)
    _, (nothing,) = tried(folder, EventSpec("person", ("a person",), zones=red.zones, threshold=0.99))
    assert nothing == Estimate((), more=False)


@pytest.mark.parametrize("spec", EVENTS, ids=lambda spec: spec.name)
def test_progress_is_shown_within_a_segment_and_there_it_can_be_stopped(folder: Path, spec: EventSpec) -> None:
    shown, stopping = list[int](), threading.Event()
    models, trial = BacktestModels(ENCODER, None, NOTHING_LEARNED), Trial({"cam": spec}, PERIOD)
    backtest(trial, IndexReader(folder), models, lambda done, total: shown.append(done - total))
    assert shown[-1] == 0
    assert all(0 <= after - before < 60 for before, after in pairwise(shown))  # of 120 in each segment
    reached: list[int] = []

    def stop(done: int, _: int) -> None:
        reached.append(done)
        if done >= 30:
            stopping.set()

    with pytest.raises(Stopped):
        backtest(trial, IndexReader(folder), models, stop, stopping)
    assert reached[-1] < 110
