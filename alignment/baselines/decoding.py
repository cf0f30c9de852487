"""From a method's outputs to moments in seconds: decided events, and a ranked list of proposals."""

from collections.abc import Sequence

import numpy as np

from alignment.aligners.trained.batches import Outputs
from alignment.baselines.moment_detr import MomentOutputs
from alignment.evaluation.annotations import ScoredWindow
from alignment.evaluation.matching import overlaps
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import F32, F64, ScoreTrack

GUESSES = 10  # at most; Moment-DETR has as many queries
SAME = 0.7  # tIoU from which two proposals are duplicates (non-maximum suppression, as QVHighlights' baselines)


def decided(outputs: Outputs, example: int, bounds: F64) -> list[ScoredWindow]:
    """Return the spans that the daemon's rule decides on one example's foreground; bounds f64[T, 2], seconds."""
    clips = len(bounds)
    p, shares = _probability(outputs.foreground[example, :clips].numpy()), outputs.shares[example, :clips].numpy()
    track = ScoreTrack("", p, bounds, shares)
    tracker = SpanTracker("", SpanRule())
    changes = (*tracker.update(track, 0, clips, float(bounds[-1, 1])), *tracker.finish())
    spans = {change.opened: change.span for change in changes}
    return [(s.start, s.end, s.score) for s in spans.values()]


def ranked(outputs: Outputs, example: int, bounds: F64) -> list[ScoredWindow]:
    """Return at most ``GUESSES`` moments of one example, best first; each clip proposes one by its offsets.

    A clip's proposal is [middle − d₀, middle + d₁] with its foreground probability (UniVTG, Lin et al. 2023).
    """
    clips = len(bounds)
    if isinstance(outputs, MomentOutputs):
        logits = outputs.moment_logits[example]
        moments, scores = outputs.moments[example].numpy(), _probability((logits[:, 0] - logits[:, 1]).numpy())
    else:
        middle = np.arange(clips)[:, None] + 0.5
        moments = middle + outputs.offsets[example, :clips].numpy() * np.array([-1, 1])
        scores = _probability(outputs.foreground[example, :clips].numpy())
    edges = np.append(bounds[:, 0], bounds[-1, 1])
    times = np.interp(moments, np.arange(clips + 1), edges)
    guesses = [(float(s), float(e), float(p)) for (s, e), p in zip(times, scores, strict=True) if e > s]
    return _suppressed(sorted(guesses, key=lambda g: -g[2]))


def _suppressed(guesses: Sequence[ScoredWindow]) -> list[ScoredWindow]:
    kept: list[ScoredWindow] = []
    for guess in guesses:
        if len(kept) < GUESSES and not (overlaps(kept, [guess[:2]]) >= SAME).any():
            kept.append(guess)
    return kept


def _probability(logits: F32) -> F32:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
