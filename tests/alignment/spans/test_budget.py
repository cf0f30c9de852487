"""Budgets: counts are those of the real automaton, the threshold follows them, and nothing clear is silenced."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.calibration import SIMILARITY_STRAYS_PER_HOUR, threshold_for_budget
from alignment.spans.budget import MEMORY_HOURS, SURE, Budget, BudgetState
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import ScoreTrack

RULE = SpanRule(min_duration_s=2.0, merge_gap_s=2.0)
HOUR = 3600.0


def track(p: np.ndarray, first: int = 0) -> ScoreTrack:
    """One clip a second; clip k covers [k, k + 1)."""
    t = np.arange(first, first + len(p), dtype=np.float64)
    return ScoreTrack("e", p.astype(np.float32), np.stack([t, t + 1], 1), np.full((len(p), 3), 1 / 3, np.float32))


def at_level(budget: Budget, p: float, count: float = 1.0) -> np.ndarray:
    """Would-be alerts of ``count`` peaks at ``p``."""
    return np.where(budget.levels <= p, count, 0.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.04, 0.2, 0.4, 0.55, 0.7, 0.8, 0.97, 1.0]), min_size=1, max_size=80))
def test_the_count_at_a_level_is_what_a_tracker_at_that_level_announces(scores: list[float]) -> None:
    budget, p = Budget(1.0), np.array(scores)
    tally = budget.tally(RULE.exit_ratio, RULE.min_duration_s, RULE.merge_gap_s)
    counted, watched = np.zeros(len(budget.levels)), 0.0
    for k, score in enumerate(p.astype(np.float32)):
        seconds, done = tally.add(float(score), k, k + 1)
        watched += seconds
        counted += 0 if done is None else done
    counted += tally.finish()
    assert watched == len(p)
    for level, count in zip(budget.levels, counted, strict=True):
        tracker = SpanTracker("e", RULE.at(float(level)))
        changes = [*tracker.update(track(p), 0, len(p), len(p)), *tracker.finish()]
        assert count == len({c.opened for c in changes})


def test_at_first_the_threshold_is_the_profiles() -> None:
    for per_hour in (1 / 24, 1.0, 4.0, 100.0):
        assert Budget(per_hour).threshold == threshold_for_budget(per_hour)
    table = ((0.4, 10.0), (0.8, 1.0))
    assert Budget(1.0, table).threshold == 0.8


def test_quiet_hours_lower_the_threshold_but_not_below_what_was_measured() -> None:
    budget, seen = Budget(1 / 24), []
    for _ in range(10):
        budget.observe(24 * HOUR)
        seen.append(budget.threshold)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] < 0.97
    assert SIMILARITY_STRAYS_PER_HOUR[0][0] <= seen[-1] < 0.4


def slope(budget: Budget, p: float, count: float = 1.0) -> np.ndarray:
    """Would-be alerts whose peaks thin out evenly on the logit of p, the last at ``p``."""
    return sum(
        (at_level(budget, 1 / (1 + np.exp(-z)), count) for z in np.log(p / (1 - p)) - np.arange(8)), np.zeros(())
    )


def test_a_background_that_alerts_too_often_raises_the_threshold_above_its_peaks() -> None:
    budget = Budget(1.0)
    for _ in range(12):
        budget.observe(HOUR, slope(budget, 0.97, 3.0))
    assert 0.97 < budget.threshold < SURE
    assert budget.observed_per_hour < 1.0


def test_one_alert_proves_nothing_against_the_prior() -> None:
    budget = Budget(1 / 24)
    budget.observe(HOUR, at_level(budget, 0.985))
    assert budget.threshold == threshold_for_budget(1 / 24)


def test_the_budget_is_met_where_it_can_be_counted() -> None:
    """Peaks spread evenly over the levels: 200 hours leave one an hour above the threshold."""
    budget = Budget(1.0)
    rng = np.random.default_rng(0)
    peaks = 1 / (1 + np.exp(-rng.exponential(1.0, 4000) + 2))
    for block in np.split(peaks, 200):
        budget.observe(HOUR, (block[:, None] >= budget.levels).sum(0).astype(float))
    above = (peaks >= budget.threshold).sum() / 200
    assert 0.6 < above <= 1.1
    assert budget.observed_per_hour == pytest.approx(above)


def test_a_rarer_budget_than_was_observed_follows_the_tail() -> None:
    """A light tail of which 10 hours show 200 peaks: 1 a week lies beyond all of them, but not at the cap."""
    rng = np.random.default_rng(1)
    peaks = 1 / (1 + np.exp(5 - rng.exponential(0.5, 4000)))
    budget = Budget(1 / 168, ((0.05, 1e-3), (0.99, 1e-4)))  # a prior that believes the camera silent
    budget.observe(20 * HOUR, (peaks[:, None] >= budget.levels).sum(0).astype(float))
    assert peaks.max() < budget.threshold < 0.9
    expected = 200 * np.exp(-(np.log(budget.threshold / (1 - budget.threshold)) + 5) / 0.5)
    assert expected < 2 / 168


def test_clear_events_that_stand_apart_do_not_count() -> None:
    budget = Budget(1 / 24)
    for _ in range(14):
        budget.observe(24 * HOUR, at_level(budget, 0.96, 20.0))
    assert budget.threshold < 0.5
    assert budget.observed_per_hour == pytest.approx(20 / 24)
    crowded = Budget(1 / 24)
    for _ in range(14):  # the same, amid a crowd of peaks somewhat lower
        crowded.observe(24 * HOUR, at_level(crowded, 0.96, 20.0) + at_level(crowded, 0.8, 20.0))
    assert crowded.threshold > 0.96


def test_no_background_drives_the_threshold_beyond_the_cap() -> None:
    budget = Budget(1 / 24)
    for _ in range(100):
        budget.observe(HOUR, slope(budget, 0.999, 50.0))
    assert 0.98 < budget.threshold <= SURE
    assert budget.observed_per_hour >= 50


def test_old_observations_fade() -> None:
    budget = Budget(1.0)
    budget.observe(100 * HOUR, slope(budget, 0.97, 300.0))
    noisy = budget.threshold
    for _ in range(60 * 24):
        budget.observe(HOUR)
    assert budget.observed_hours == MEMORY_HOURS
    assert budget.threshold < 0.5 < noisy


def test_each_scene_has_its_own_observations() -> None:
    budget = Budget(1 / 24)
    budget.observe(200 * HOUR)
    day = budget.threshold
    budget.enter_scene(1)
    assert budget.threshold == threshold_for_budget(1 / 24)
    budget.enter_scene(0)
    assert budget.threshold == day
    budget.enter_scene(0, forget=True)
    assert budget.observed_hours == 0


def test_state_survives_and_foreign_levels_are_refused() -> None:
    budget = Budget(1.0)
    budget.observe(30 * HOUR, at_level(budget, 0.7, 60.0))
    budget.enter_scene(2)
    budget.observe(5 * HOUR)
    again = Budget(1.0)
    assert again.restore(budget.state(), 0)
    assert again.observed_hours == 30
    assert again.state() == budget.state()
    stranger = Budget(2.0)
    assert not stranger.restore(budget.state(), 0)
    assert stranger.state() == Budget(2.0).state()
    assert not Budget(1.0).restore(BudgetState((0.5,)), 0)


def feed(tracker: SpanTracker, p: np.ndarray, window: int = 20) -> list[tuple[str, float, float, float | None]]:
    changes: list[Any] = []
    for n in range(1, len(p) + 1):
        first = max(0, n - window)
        changes += tracker.update(track(p[first:n], first), first, n - first, n)
    changes += tracker.finish()
    return [(c.type, c.span.start, c.span.end, c.span.threshold) for c in changes]


def test_the_threshold_moves_between_spans_only() -> None:
    budget = Budget(1.0)
    low, quick = budget.threshold, replace(RULE, update_every_s=1000.0)
    tracker = SpanTracker("e", quick, budget)
    p = np.zeros(120)
    p[10:40] = p[60:64] = p[100:104] = low + 0.001
    n, told = 0, list[Any]()
    for n in range(1, 121):
        if n == 20:  # in the midst of the first span, half of which has left the window by its end
            budget.observe(HOUR, slope(budget, 0.97, 30.0))
            assert budget.threshold > low + 0.001
        if n == 80:
            budget.observe(400 * HOUR)
        first = max(0, n - 20)
        told += tracker.update(track(p[first:n], first), first, n - first, n)
    told += tracker.finish()
    assert [(c.type, c.span.start, c.span.end) for c in told if c.type == "end"] == [
        ("end", 10.0, 40.0),
        ("end", 100.0, 104.0),
    ]
    assert told[0].span.threshold == low
    assert told[-1].span.threshold == budget.threshold < low


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.2, 0.45, 0.6, 0.9, 1.0]), min_size=1, max_size=40))
def test_a_budget_that_does_not_move_decides_as_a_fixed_threshold(scores: list[float]) -> None:
    p = np.array(scores)
    budget = Budget(4.0)
    fixed = feed(SpanTracker("e", RULE.at(budget.threshold)), p)
    assert feed(SpanTracker("e", RULE, budget), p) == fixed
    assert budget.observed_hours == pytest.approx(len(p) / HOUR)


def test_the_same_scores_give_the_same_spans_again() -> None:
    rng = np.random.default_rng(3)
    p = 1 / (1 + np.exp(2 - 2 * np.repeat(rng.standard_normal(400), 3)))
    assert feed(SpanTracker("e", RULE, Budget(4.0)), p) == feed(SpanTracker("e", RULE, Budget(4.0)), p)
