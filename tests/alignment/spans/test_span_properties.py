"""What holds of spans whatever the scores are, and however the hops come."""

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.spans.identity import event_id
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import ScoreTrack, SpanChange

SCORES = st.lists(st.sampled_from([0.0, 0.2, 0.35, 0.45, 0.6, 0.9]), min_size=1, max_size=60)
RULES = st.builds(
    SpanRule,
    enter=st.sampled_from([0.4, 0.5, 0.8]),
    exit=st.sampled_from([0.1, 0.3, 0.4]),
    min_duration_s=st.sampled_from([0.0, 1.0, 2.0, 3.5]),
    merge_gap_s=st.sampled_from([0.0, 1.0, 2.0, 3.0]),
    update_every_s=st.sampled_from([1.0, 5.0, 1000.0]),
)


def track(p: list[float], first: int) -> ScoreTrack:
    """One clip a second; clip k covers [k, k + 1)."""
    t = np.arange(first, first + len(p), dtype=np.float64)
    shares = np.tile(np.array([1, 0, 0], np.float32), (len(p), 1))
    return ScoreTrack("e", np.array(p, np.float32), np.stack([t, t + 1], 1), shares)


def told(p: list[float], rule: SpanRule, hops: list[int], window: int) -> list[SpanChange]:
    """Feed ``p`` in hops of so many clips, over a window that slides."""
    tracker, changes, n = SpanTracker("e", rule), list[Any](), 0
    for hop in itertools.cycle(hops):
        n = min(len(p), n + hop)
        first = max(0, n - window)
        changes += tracker.update(track(p[first:n], first), first, n - first, n)
        if n == len(p):
            return [*changes, *tracker.finish()]
    raise AssertionError("no hops")


def last_words(changes: list[SpanChange]) -> list[tuple[float, float]]:
    return sorted((s.start, s.end) for s in {c.opened: c.span for c in changes}.values())


@settings(max_examples=300, deadline=None)
@given(SCORES, RULES, st.lists(st.integers(1, 7), min_size=1, max_size=8))
def test_spans_are_the_same_however_the_hops_are_batched(p: list[float], rule: SpanRule, hops: list[int]) -> None:
    window = 12  # longer than a hop: no clip is missed
    one_by_one, batched = told(p, rule, [1], window), told(p, rule, hops, window)
    assert last_words(batched) == last_words(one_by_one) == last_words(told(p, rule, [len(p)], len(p)))
    assert {c.opened for c in batched} == {c.opened for c in one_by_one}


@settings(max_examples=300, deadline=None)
@given(SCORES, RULES, st.lists(st.integers(1, 7), min_size=1, max_size=8))
def test_each_life_is_in_order_and_no_two_spans_overlap(p: list[float], rule: SpanRule, hops: list[int]) -> None:
    changes = told(p, rule, hops, 12)
    for opened in {c.opened for c in changes}:
        life = [c for c in changes if c.opened == opened]
        assert [c.revision for c in life] == list(range(len(life)))
        assert [c.type for c in life].count("new") == 1
        assert life[0].type == "new"
        assert life[-1].type == "end" or not life[-1].span.open
        assert all(c.span.start < c.span.end for c in life)
        assert all(0 <= c.span.score <= 1 for c in life)
        assert all(a.span.end <= b.span.end for a, b in itertools.pairwise(life))  # scores that stay only add to it
    spans = last_words(changes)
    assert all(end - start >= rule.min_duration_s - 1e-6 for start, end in spans)
    assert all(b[0] > a[1] for a, b in itertools.pairwise(spans))


TEXT = st.text(st.characters(blacklist_characters="\x1f", blacklist_categories=["Cs"]), max_size=8)
FIELDS = st.tuples(TEXT, TEXT, TEXT, TEXT, st.integers(0, 10_000).map(float), TEXT)


@given(st.lists(FIELDS, max_size=30, unique=True))
def test_ids_are_as_distinct_as_what_they_name_and_always_the_same(named: list[tuple]) -> None:
    whole: list[Any] = [(*f[:5], 1.0, *f[5:]) for f in named]
    ids = [event_id(*f) for f in whole]
    assert len(set(ids)) == len(named)
    assert ids == [event_id(*f) for f in whole]
    assert all(len(i) == 24 and int(i, 16) >= 0 for i in ids)


@given(st.floats(0, 1e9), st.sampled_from([0.1, 0.5, 1.0, 4.0]))
def test_an_id_belongs_to_one_place_on_the_grid(opened: float, hop: float) -> None:
    def named(t: float) -> str:
        return event_id("c", "e", "cat", "v", t, hop, "m")

    grid = min(hop, 1.0)
    assert named(round(opened / grid) * grid) == named(opened)
    assert named(opened + 2 * grid) != named(opened)
