"""Heads: what they change, how little they change elsewhere, and that no series of clicks leaves a budget."""

import time
from dataclasses import replace

import numpy as np
import pytest

from alignment.errors import FeatureError
from alignment.personal.files import pack_head, pack_samples, unpack_head, unpack_samples
from alignment.personal.fitting import Judged, fit
from alignment.personal.head import LOWERED, RAISED, Head
from alignment.personal.judging import cross_validate, is_better, reported
from alignment.personal.samples import Samples, logit
from alignment.personal.scorer import PersonalScorer
from alignment.spans.allowance import MULTIPLE
from alignment.spans.budget import Budget
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import F32, SOUND_CLASSES, FeatureWindow, ScoreTrack
from alignment.vectors import unit_rows

WIDTH = 32
VISION, SPEECH = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
THRESHOLD = float(logit(np.array([0.6], np.float32))[0])


def looks(rng: np.random.Generator, centre: F32, clips: int = 4, noise: float = 0.05) -> F32:
    return unit_rows(centre + noise * rng.normal(size=(clips, WIDTH)).astype(np.float32))


def samples(
    frames: F32, p: float = 0.9, shares: tuple[float, float, float] = VISION, speech: F32 | None = None
) -> Samples:
    n = len(frames)
    said = np.zeros((n, WIDTH), np.float32) if speech is None else speech
    sound = np.zeros((n, SOUND_CLASSES), np.float32)
    return Samples(frames, said, sound, np.tile(np.array(shares, np.float32), (n, 1)), logit(np.full(n, p, np.float32)))


def judged(frames: F32, right: bool, p: float = 0.9) -> Judged:
    return Judged(samples(frames, p), right, THRESHOLD)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def centres(rng: np.random.Generator) -> F32:
    return unit_rows(rng.normal(size=(4, WIDTH)))


def test_look_alikes_go_what_was_right_stays_and_nothing_else_changes(rng: np.random.Generator, centres: F32) -> None:
    mine, other, never = centres[:3]
    clicks = [judged(looks(rng, mine), True) for _ in range(5)] + [judged(looks(rng, other), False) for _ in range(5)]
    head = fit(clicks)
    assert reported(samples(looks(rng, mine)), THRESHOLD, head)
    assert not reported(samples(looks(rng, other)), THRESHOLD, head)
    assert np.abs(head.offsets(samples(looks(rng, never)))).max() < 0.6
    trial = cross_validate(clicks)
    assert (trial.right_kept, trial.wrong_kept) == (5, 0)
    assert is_better(clicks, head, trial)


def test_contradicting_clicks_are_no_improvement(rng: np.random.Generator, centres: F32) -> None:
    same = [judged(looks(rng, centres[0], noise=0.02), bool(i % 2)) for i in range(10)]
    assert not is_better(same, fit(same), cross_validate(same))


@pytest.mark.parametrize("right", [True, False])
def test_corrections_are_bounded_however_many_click(rng: np.random.Generator, centres: F32, right: bool) -> None:
    head = fit([judged(looks(rng, centres[0], noise=0.01), right, p=0.61) for _ in range(60)])
    offsets = head.offsets(samples(looks(rng, centres[0], noise=0.01)))
    assert (offsets <= RAISED).all()
    assert (offsets >= -LOWERED).all()


def test_what_was_heard_is_not_judged_by_what_was_seen(rng: np.random.Generator, centres: F32) -> None:
    porch = looks(rng, centres[0])
    said = [samples(porch, shares=SPEECH, speech=looks(rng, centres[1])) for _ in range(4)]
    head = fit([Judged(one, False, THRESHOLD) for one in said])
    assert np.abs(head.offsets(samples(porch))).max() < 1e-6
    assert (head.offsets(samples(porch, shares=SPEECH, speech=looks(rng, centres[1]))) < -0.5).all()


def test_a_head_of_the_most_clicks_is_made_at_once(rng: np.random.Generator, centres: F32) -> None:
    clicks = [judged(looks(rng, centres[i % 4], clips=6), i % 4 < 2) for i in range(60)]
    fit(clicks[:10])  # the first call loads LAPACK
    began = time.process_time()
    fit(clicks[:10])
    assert time.process_time() - began < 0.05
    began = time.process_time()
    cross_validate(clicks)
    assert time.process_time() - began < 5


def test_files_hold_what_they_were_made_of_and_damaged_ones_are_refused(rng: np.random.Generator, centres: F32) -> None:
    head = fit([judged(looks(rng, centres[0]), True), judged(looks(rng, centres[1]), False)])
    again, about = unpack_head(pack_head(head, {"key": "k"}))
    seen = samples(looks(rng, centres[1]))
    np.testing.assert_allclose(again.offsets(seen), head.offsets(seen), atol=0.05)
    assert about == {"key": "k"}
    packed = pack_samples(seen, {"event": "dog"})
    kept, about = unpack_samples(packed)
    assert about == {"event": "dog"}
    assert kept.speech.shape == (4, 0)  # nothing was said
    assert len(packed) < 3000
    for damaged in (b"", packed[:-20], packed.replace(b"logits", b"logitz"), b"\xff" * 200):
        with pytest.raises(FeatureError):
            unpack_samples(damaged)
    with pytest.raises(FeatureError, match="damaged"):
        unpack_head(packed)


class Fixed:
    """A scorer whose tracks the test gives."""

    def __init__(self, p: F32) -> None:
        self.p = p

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        n = len(window.bounds)
        shares = np.tile(np.array(VISION, np.float32), (n, 1))
        return (ScoreTrack("e", self.p[first : first + n], window.bounds, shares),)


def window(frames: F32, first: int) -> FeatureWindow:
    n = len(frames)
    t = np.arange(first, first + n, dtype=np.float64)
    return FeatureWindow(
        bounds=np.stack([t, t + 1], 1),
        frames=frames,
        frame_mask=np.ones(n, bool),
        speech=np.zeros((0, WIDTH), np.float32),
        speech_t=np.zeros((0, 2)),
        sound=np.zeros((n, SOUND_CLASSES), np.float32),
        sound_mask=np.zeros(n, bool),
    )


def test_another_head_counts_from_its_clip_on(rng: np.random.Generator, centres: F32) -> None:
    frames = looks(rng, centres[1], clips=20)
    scorer = PersonalScorer(Fixed(np.full(20, 0.9, np.float32)), {})
    head = fit([judged(looks(rng, centres[1]), False) for _ in range(5)])
    (before,) = scorer.score(window(frames[:10], 0), 0)
    scorer.use({"e": head}, 10)
    (after,) = scorer.score(window(frames[4:], 4), 4)
    np.testing.assert_array_equal(after.p[:6], before.p[4:])
    assert (after.p[6:] < 0.6).all()
    (later,) = scorer.score(window(frames[12:], 12), 12)
    np.testing.assert_allclose(later.p, after.p[8:])
    assert scorer.samples("e", 0, 99).logits == pytest.approx(logit(np.full(6, 0.9, np.float32)))  # as without a head


def test_no_series_of_clicks_leaves_the_budget(rng: np.random.Generator, centres: F32) -> None:
    """Every hour somebody says the opposite of everything, and of something else: alerts stay within the allowance."""
    hours, per_hour, clip_s = 48, 0.5, 5.0
    steps = int(hours * 3600 / clip_s)
    visits = np.zeros(steps, int)
    for at in rng.integers(0, steps - 4, hours * 12):
        visits[at : at + 3] = rng.integers(1, 4)
    frames = np.where(
        (visits > 0)[:, None], looks(rng, np.zeros(WIDTH, np.float32), steps) * 0.2 + centres[visits], centres[0]
    )
    frames = unit_rows(frames)
    p = np.where(visits > 0, rng.uniform(0.3, 0.999, steps), 0.01).astype(np.float32)
    budget = Budget(per_hour)
    rule = SpanRule(enter=0.6, exit=0.42)
    tracker, without = SpanTracker("e", rule, budget), SpanTracker("e", rule)
    scorer, flood = PersonalScorer(Fixed(p), {}), set[float]()
    hour = int(3600 / clip_s)
    last: dict[float, bool] = {}
    for end in range(60, steps + 1, 60):
        first = max(0, end - 120)
        shown = window(frames[first:end], first)
        shown = replace(shown, bounds=shown.bounds * clip_s)
        (track,) = scorer.score(shown, first)
        for change in tracker.update(track, first, end - first, end * clip_s):
            last[change.opened] = change.span.over_budget
        flood |= {change.opened for change in without.update(track, first, end - first, end * clip_s)}
        if not end % hour:
            flooding = [judged(looks(rng, centres[k]), True, p=0.61) for k in rng.integers(1, 4, 30)]
            opposite = [judged(looks(rng, centres[k]), bool(rng.integers(2))) for k in rng.integers(1, 4, 10)]
            scorer.use({"e": fit(flooding + opposite)}, end)
    alerts = sum(not over for over in last.values())
    assert len(flood) > 4 * alerts > 0  # of a rule without a budget
    assert alerts <= MULTIPLE * per_hour * hours + budget.allowance.size


def test_a_head_of_nothing_alike_changes_no_score_of_a_window(rng: np.random.Generator, centres: F32) -> None:
    plain = Fixed(np.full(10, 0.9, np.float32))
    head = Head(samples(looks(rng, centres[2])), np.zeros(4, np.float32), (0.1, 0.1, 0.1))
    shown = window(looks(rng, centres[1], clips=10), 0)
    (track,) = PersonalScorer(plain, {"e": head}).score(shown, 0)
    np.testing.assert_allclose(track.p, 0.9, atol=1e-6)
    (same,) = PersonalScorer(plain, {"other": head}).score(shown, 0)
    np.testing.assert_array_equal(same.p, plain.p)
