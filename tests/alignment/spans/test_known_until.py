"""A tracker says before which second no span can begin that it has not reported."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.spans.tracker import SpanTracker
from tests.alignment.spans.test_tracker import RULE, track

WINDOW = 12


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.2, 0.35, 0.45, 0.6, 0.9]), min_size=5, max_size=60))
def test_no_span_begins_before_what_was_said_to_be_known(p: list[float]) -> None:
    tracker, known, reported = SpanTracker("e", RULE), float("-inf"), set[float]()
    for n in range(1, len(p) + 1):
        first = max(0, n - WINDOW)
        for change in tracker.update(track(p[first:n], first), first, n - first, n):
            if change.type == "new":
                assert change.span.start >= known, (p[:n], change)
                reported.add(change.span.start)
        assert tracker.known_until >= known
        known = tracker.known_until
    assert all(change.span.start >= known for change in tracker.finish() if change.type == "new")


def test_it_keeps_up_where_nothing_happens_and_stays_at_a_rise() -> None:
    tracker = SpanTracker("e", RULE)
    tracker.update(track([0.0] * 8), 0, 8, 8)
    assert tracker.known_until == 7
    tracker.update(track([0.0] * 4 + [0.4] * 4), 0, 8, 8)
    assert tracker.known_until == 4  # these may be its beginning
    tracker.update(track([0.0] * 4 + [0.4] * 4 + [0.9]), 0, 9, 9)
    assert (tracker.known_until, tracker.open_until) == (8, 9)  # it is reported, and goes on
    tracker = SpanTracker("e", RULE)
    tracker.update(track([0.0] * 8), 0, 8, 5)
    assert tracker.known_until == 5  # what was said is known up to there
    assert np.isinf(SpanTracker("e", RULE).open_until)
