"""Spans: hysteresis, gaps, durations, life cycle; online finds what one pass finds."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import ScoreTrack, SpanChange

RULE = SpanRule(enter=0.5, exit=0.3, min_duration_s=2.0, merge_gap_s=2.0, update_every_s=1000.0)


def track(p: list[float], first: int = 0) -> ScoreTrack:
    """One clip a second; clip k covers [k, k + 1)."""
    t = np.arange(first, first + len(p), dtype=np.float64)
    shares = np.tile(np.array([1, 0, 0], np.float32), (len(p), 1))
    return ScoreTrack("e", np.array(p, np.float32), np.stack([t, t + 1], 1), shares)


def offline(p: list[float], rule: SpanRule = RULE) -> list[SpanChange]:
    tracker = SpanTracker("e", rule)
    return [*tracker.update(track(p), 0, len(p), len(p)), *tracker.finish()]


def online(p: list[float], rule: SpanRule = RULE, window: int = 12) -> list[SpanChange]:
    tracker, changes = SpanTracker("e", rule), list[Any]()
    for n in range(1, len(p) + 1):
        first = max(0, n - window)
        changes += tracker.update(track(p[first:n], first), first, n - first, n)
    return [*changes, *tracker.finish()]


def closed(changes: list[SpanChange]) -> list[tuple[float, float]]:
    """The last word on every span."""
    last = {c.opened: c.span for c in changes}
    assert not any(s.open for s in last.values())
    return sorted((s.start, s.end) for s in last.values())


def test_a_span_starts_where_the_rise_to_its_entry_began_and_ends_below_the_exit() -> None:
    p = [0, 0, 0.4, 0.4, 0.8, 0.4, 0.4, 0.1, 0, 0, 0, 0]
    assert closed(offline(p)) == [(2, 7)]


def test_what_never_reaches_the_entry_is_no_event() -> None:
    assert offline([0.45] * 20) == []


def test_short_flickers_are_dropped() -> None:
    assert offline([0, 0.9, 0, 0, 0, 0]) == []


def test_short_gaps_are_merged_and_long_ones_are_not() -> None:
    assert closed(offline([0.9, 0.9, 0, 0, 0.9, 0.9, 0, 0, 0, 0.9, 0.9])) == [(0, 6), (9, 11)]


def test_life_cycle_opens_early_and_closes_a_merge_gap_later() -> None:
    tracker = SpanTracker("e", RULE)
    p = [0, 0.9, 0.9, 0.9, 0, 0, 0, 0]
    told: dict[int, list[str]] = {}
    for n in range(1, len(p) + 1):
        told[n] = [f"{c.type}{c.revision}" for c in tracker.update(track(p[:n]), 0, n, n)]
    assert told == {1: [], 2: [], 3: ["new0"], 4: [], 5: [], 6: [], 7: ["end1"], 8: []}


def test_an_open_span_is_updated_now_and_then() -> None:
    rule = SpanRule(enter=0.5, exit=0.3, min_duration_s=1.0, merge_gap_s=2.0, update_every_s=5.0)
    changes = online([0.9] * 18, rule)
    assert [c.type for c in changes] == ["new", "update", "update", "update", "end"]
    assert [c.revision for c in changes] == [0, 1, 2, 3, 4]
    assert len({c.opened for c in changes}) == 1


def test_late_evidence_extends_a_closed_span_under_its_name() -> None:
    tracker = SpanTracker("e", RULE)
    first = tracker.update(track([0, 0.9, 0.9, 0, 0, 0, 0, 0]), 0, 8, 8)
    assert [c.type for c in first] == ["new", "end"]
    late = tracker.update(track([0, 0.9, 0.9, 0.9, 0.9, 0, 0, 0]), 0, 8, 8)
    assert [(c.type, c.opened, c.revision, c.span.end) for c in late] == [("update", 1.0, 2, 5.0)]


def test_a_bound_that_only_jitters_is_no_news() -> None:
    tracker, p = SpanTracker("e", RULE), [0, 0.9, 0.9, 0, 0, 0, 0, 0]
    tracker.update(track(p), 0, 8, 8)
    later = track(p)
    assert tracker.update(replace(later, bounds=later.bounds + 0.01), 0, 8, 8) == ()
    assert [c.type for c in tracker.update(replace(later, bounds=later.bounds + 0.1), 0, 8, 8)] == ["update"]


def test_what_late_evidence_takes_away_still_gets_its_end() -> None:
    tracker = SpanTracker("e", RULE)
    assert [c.type for c in tracker.update(track([0.9, 0.9, 0.9]), 0, 3, 3)] == ["new"]
    assert [c.type for c in tracker.update(track([0.1, 0.1, 0.1]), 0, 3, 3)] == ["end"]
    assert tracker.finish() == ()


def test_a_span_waits_for_evidence_that_is_not_in_yet() -> None:
    tracker = SpanTracker("e", RULE)
    p = [0, 0.9, 0.9, 0, 0, 0, 0, 0]
    assert [c.type for c in tracker.update(track(p), 0, 8, settled_s=3.0)] == ["new"]
    assert [c.type for c in tracker.update(track(p), 0, 8, settled_s=8.0)] == ["end"]


def test_a_span_longer_than_the_window_keeps_its_start() -> None:
    assert closed(online([0.0] + [0.9] * 60 + [0.0] * 5)) == [(1, 61)]


def test_nothing_is_announced_twice_while_it_leaves_the_window() -> None:
    changes = online([0.9] * 4 + [0.0] * 40)
    assert [c.type for c in changes] == ["new", "end"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.2, 0.35, 0.45, 0.6, 0.9]), min_size=1, max_size=80))
def test_online_equals_offline(p: list[float]) -> None:
    changes = online(p)
    assert closed(changes) == closed(offline(p))
    for opened in {c.opened for c in changes}:
        life = [c for c in changes if c.opened == opened]
        assert [c.revision for c in life] == list(range(len(life)))
        assert life[0].type == "new"
        assert life[-1].type in ("end", "update")
        assert life[0].span.start <= life[0].span.end


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_spans_are_long_enough_and_apart(p: list[float]) -> None:
    spans = closed(offline(p))
    assert all(e - s >= RULE.min_duration_s for s, e in spans)
    assert all(b[0] - a[1] > 0 for a, b in itertools.pairwise(spans))


def test_a_gap_in_time_between_two_high_clips_parts_two_spans() -> None:
    """Clips whose bounds are words: 10 s apart, both high, but what is said in them is far apart."""
    bounds = np.array([[0.0, 5.0], [5.0, 8.0], [14.0, 18.0], [25.0, 35.0]])
    shares = np.tile(np.array([0, 1, 0], np.float32), (4, 1))
    words = ScoreTrack("e", np.array([0, 0.9, 0.9, 0], np.float32), bounds, shares)
    tracker = SpanTracker("e", RULE)
    changes = [*tracker.update(words, 0, 4, 35.0), *tracker.finish()]
    assert closed(changes) == [(5, 8), (14, 18)]
    assert [(c.type, c.opened) for c in changes] == [("new", 5), ("end", 5), ("new", 14), ("end", 14)]


def test_score_is_the_mean_of_the_three_highest() -> None:
    changes = offline([0.6, 0.7, 0.9, 0.8, 0.6, 0, 0, 0])
    assert changes[-1].span.score == pytest.approx(0.8)
