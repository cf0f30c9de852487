"""Allowances: bounded whatever the scores are, spent on the surest events, and never closed for good."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.spans.allowance import LEVELS, MULTIPLE, Allowance, AllowanceState
from alignment.spans.budget import Budget
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import ScoreTrack, Span, SpanChange

DAILY = 1 / 24
events = st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 1.0)), max_size=120)


def happen(allowance: Allowance, hours: float, peak: float) -> bool:
    """Let hours pass, then an event happen; return whether it is within the budget."""
    allowance.watch(hours)
    within = peak >= allowance.threshold and allowance.take()
    allowance.count(peak)
    return within


@settings(deadline=None)
@given(events, st.sampled_from([1 / 168, DAILY, 1.0, 4.0, 60.0]))
def test_between_any_two_moments_the_alerts_are_bounded(history: list[tuple[float, float]], per_hour: float) -> None:
    allowance, at, alerts = Allowance(per_hour), 0.0, list[float]()
    for hours, peak in history:
        at += hours
        if happen(allowance, hours, peak):
            alerts.append(at)
    for i, first in enumerate(alerts):
        for n, last in enumerate(alerts[i:], 1):
            assert n <= allowance.size + MULTIPLE * per_hour * (last - first) + 1e-6


@settings(deadline=None)
@given(events, st.floats(0.0, 1.0))
def test_an_event_clearly_surer_than_all_recent_ones_needs_a_token_only(
    history: list[tuple[float, float]], peak: float
) -> None:
    allowance = Allowance(DAILY)
    for hours, other in history:
        happen(allowance, hours, min(other, peak))
    allowance.watch(24.0)
    surer = 1 / (1 + np.exp(-min(LEVELS[-1], np.log(max(peak, 1e-9)) - np.log1p(-min(peak, 1 - 1e-9)) + 0.25)))
    assert surer >= allowance.threshold - 1e-12 or surer < 0.05
    assert allowance.take()


@settings(deadline=None)
@given(events, events)
def test_a_restart_changes_no_decision(before: list[tuple[float, float]], after: list[tuple[float, float]]) -> None:
    first, second = Allowance(DAILY), Allowance(DAILY)
    for event in before:
        happen(first, *event)
    assert second.restore(first.state())
    assert second.state() == first.state()
    assert [happen(first, *e) for e in after] == [happen(second, *e) for e in after]


def test_counts_of_other_levels_are_refused() -> None:
    allowance = Allowance(1.0)
    assert not allowance.restore(AllowanceState(0.0, (1.0,)))
    assert allowance.state() == Allowance(1.0).state()


@pytest.mark.parametrize("per_hour", [1 / 168, DAILY, 1.0, 12.0])
def test_events_as_frequent_as_the_budget_are_all_alerts(per_hour: float) -> None:
    allowance = Allowance(per_hour)
    assert all(happen(allowance, 1 / per_hour, 0.7) for _ in range(200))
    assert not allowance.exceeded


def test_twenty_true_events_a_day_are_never_silenced_for_good() -> None:
    """On a budget of one a day: about two a day are alerts, all week; the allowance says that it is exceeded."""
    allowance, rng = Allowance(DAILY), np.random.default_rng(0)
    days = [sum(happen(allowance, 24 / 20, float(p)) for p in rng.uniform(0.9, 0.999, 20)) for _ in range(14)]
    assert allowance.exceeded
    assert allowance.events_per_hour == pytest.approx(20 / 24, rel=0.1)
    assert 1.0 <= np.mean(days) <= 2.2
    assert max(np.diff(np.flatnonzero(days))) <= 2
    allowance.watch(72.0)  # they stop for three days
    assert not allowance.exceeded
    assert happen(allowance, 0.0, 0.9)


LAP = np.full(12, 0.02, np.float32)  # two minutes in clips of ten seconds
LAP[4:7] = 0.995


def watched(p: np.ndarray, budget: Budget) -> list[Span]:
    """Return the last revision of each span of a track in clips of ten seconds."""
    tracker, last = SpanTracker("e", SpanRule(min_duration_s=2.0), budget), {}
    for first in range(0, len(p), 6):
        t = 10.0 * np.arange(first, first + len(p[first : first + 6]))
        track = ScoreTrack("e", p[first : first + 6], np.stack([t, t + 10], 1), np.full((len(t), 3), 1 / 3, np.float32))
        for change in tracker.update(track, first, len(t), t[-1] + 10):
            last[change.opened] = change.span
    return list((last | {c.opened: c.span for c in tracker.finish()}).values())


def test_a_confident_look_alike_every_two_minutes_for_two_days() -> None:
    """Sure ones, at which no threshold helps: all are recorded, few are alerts, and a surer event still is one."""
    p = np.tile(LAP, 48 * 30)
    p[12 * 30 * 40 + 9 : 12 * 30 * 40 + 11] = 0.9995  # a true event in hour 40, between two of them
    spans = watched(p, Budget(DAILY))
    within = [s for s in spans if not s.over_budget]
    assert len(spans) == 48 * 30 + 1
    assert len(within) <= 4
    assert [round(s.start / 3600, 1) for s in within if s.peak > 0.999] == [40.0]


def test_an_event_that_becomes_surer_is_within_the_budget_from_then_on() -> None:
    budget = Budget(1.0)
    for _ in range(4):
        budget.allowance.count(0.99)
    p = np.array([0.0, 0.97, 0.97, 0.98, 0.998, 0.97, 0.0, 0.0, 0.0], np.float32)
    tracker, told = SpanTracker("e", SpanRule(min_duration_s=2.0), budget), list[SpanChange]()
    for n in range(1, len(p) + 1):
        t = 1.0 * np.arange(n)
        track = ScoreTrack("e", p[:n], np.stack([t, t + 1], 1), np.full((n, 3), 1 / 3, np.float32))
        told += tracker.update(track, 0, n, float(n))
    told += tracker.finish()
    assert [(c.type, c.span.over_budget) for c in told] == [("new", True), ("update", False), ("end", False)]


def test_without_a_budget_no_event_is_over_it() -> None:
    tracker = SpanTracker("e", SpanRule())
    t = np.arange(400.0)
    p = np.tile(np.array([0, 0.99, 0.99, 0, 0, 0, 0, 0], np.float32), 50)
    track = ScoreTrack("e", p, np.stack([t, t + 1], 1), np.full((400, 3), 1 / 3, np.float32))
    changes = [*tracker.update(track, 0, 400, 400.0), *tracker.finish()]
    assert len(changes) == 100
    assert not any(c.span.over_budget for c in changes)
