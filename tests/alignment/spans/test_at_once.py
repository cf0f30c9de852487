"""A segment whose probabilities are final has the changes that a tracker reports hop by hop."""

import numpy as np
import pytest

from alignment.spans.at_once import FinalTrack, changes_at_once
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import F32, F64, ScoreTrack, SpanChange
from alignment.windows import ClipWindow, clip_bounds

HOP_S, REACH_S, CLIPS = 1.0, 5.0, 400


def segment(seed: int) -> tuple[F64, F32, F32]:
    """Return times that jitter and have holes, probabilities of things short and long, and shares."""
    rng = np.random.default_rng(seed)
    jitter = (0.0, 0.03, 0.2)[seed % 3]
    steps = HOP_S + rng.normal(0, jitter, CLIPS).clip(-0.4, 0.4) + 12 * rng.random(CLIPS) * (rng.random(CLIPS) < 0.01)
    likely = np.repeat(rng.random(CLIPS), rng.integers(1, (4, 30, 150)[seed // 3 % 3], CLIPS))[:CLIPS]
    p = np.clip(likely + rng.normal(0, 0.15, CLIPS) - 0.25 * (seed // 9 % 3), 0, 1).astype(np.float32)
    return 1_790_000_000 + steps.cumsum(), p, rng.random((CLIPS, 3)).astype(np.float32)


def hop_by_hop(t: F64, p: F32, shares: F32, filled: int, begins_at: int) -> list[list[SpanChange]]:
    """Return the changes by each rule of trackers that read the window of a live stream, as ``Segment`` does."""
    window, trackers = ClipWindow(HOP_S, 1, 1, reach_s=REACH_S), [SpanTracker("e", r, None, begins_at) for r in RULES]
    changes: list[list[SpanChange]] = [[] for _ in RULES]
    window.start_at(float(t[0]))
    p, shares = np.append(p, np.zeros(filled, np.float32)), np.concatenate([shares, np.zeros((filled, 3), np.float32)])

    def read(lookahead: int) -> None:
        first, end = window.first, window.first + len(window)
        track = ScoreTrack("e", p[first:end], window.features().bounds, shares[first:end])
        for tracker, found in zip(trackers, changes, strict=True):
            found.extend(tracker.update(track, first, max(0, end - first - lookahead), window.last_t))

    for n, when in enumerate(t.tolist()):
        window.add_frame(when, np.zeros(1, np.float32))
        if n >= begins_at:
            read(1)
        window.trim()
    window.fill_until(float(t[-1]) + HOP_S / 2 + filled * HOP_S)
    read(0)
    return [[*found, *tracker.finish()] for tracker, found in zip(trackers, changes, strict=True)]


RULES = (
    SpanRule(0.6, 0.42, 1.0, 3.0),
    SpanRule(0.5, 0.35, 2.0, 3.0, update_every_s=4.0),
    SpanRule(0.8, 0.3, 0.0, 0.0),
    SpanRule(0.7, 0.49, 30.0, 40.0),
)


def final(t: F64, p: F32, shares: F32, filled: int = 0) -> FinalTrack:
    """Return the track of a segment to which ``filled`` clips without frames were added in the end."""
    times, more = np.concatenate([t, t[-1] + HOP_S * np.arange(1, filled + 1)]), np.zeros((filled, 3), np.float32)
    bounds, edge = clip_bounds(times, HOP_S, REACH_S, float(t[0])), np.maximum(times - HOP_S / 2, t[0])
    return FinalTrack(times, np.append(p, more[:, 0]), np.concatenate([shares, more]), bounds, edge, len(t))


@pytest.mark.parametrize("seed", range(9))
def test_all_changes_are_found_at_once(seed: int) -> None:
    t, p, shares = segment(seed)
    filled, begins_at = seed % 4, (0, 90)[seed % 2]
    for rule, expected in zip(RULES, hop_by_hop(t, p, shares, filled, begins_at), strict=True):
        found = changes_at_once("e", rule, final(t, p, shares, filled), begins_at)
        assert [noticed.change for noticed in found] == expected
