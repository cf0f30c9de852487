"""Whether probabilities mean what they say: of decided events, and of every second of every query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from alignment.annotations import Window
from alignment.outcomes import Outcome
from alignment.reliability import ReliabilityBin, expected_calibration_error, reliability
from alignment.types import F32, F64, Bools

TIOU = 0.5
BINS = 10


@dataclass(frozen=True, slots=True)
class Trust:
    """Predictions by their probability, in ``BINS`` of equal width; ``ece`` is None without any."""

    predictions: int
    ece: float | None  # expected calibration error, Naeini et al. 2015
    table: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class Tracked:
    """The scores of one query: ``p`` f32[T] in clips ``bounds`` f64[T, 2] of a video of ``duration`` seconds."""

    bounds: F64
    p: F32
    duration: float
    truths: tuple[Window, ...]


def trust_in_events(outcomes: Iterable[Outcome]) -> Trust:
    """Return how often an event of a score is true: finds a window of its own at tIoU 0.5."""
    pairs = [(w[2], hit) for o in outcomes for w, hit in zip(o.windows, o.hits(TIOU), strict=True)]
    return _trust(np.array([score for score, _ in pairs], np.float64), np.array([hit for _, hit in pairs], np.bool_))


def trust_in_seconds(tracks: Sequence[Tracked]) -> Trust:
    """Return how often a second of a probability is within a true window; every second of every query counts alike.

    A second is judged by its middle; one that no clip covers has probability 0.
    """
    sampled = [_seconds(track) for track in tracks]
    p: F64 = np.concatenate([np.zeros(0), *(x for x, _ in sampled)])
    return _trust(p, np.concatenate([np.zeros(0, np.bool_), *(x for _, x in sampled)]))


def _trust(p: F64, outcome: Bools) -> Trust:
    p = np.clip(np.nan_to_num(p), 0.0, 1.0)
    ece = expected_calibration_error(p, outcome, BINS) if len(p) else None
    return Trust(len(p), ece, reliability(p, outcome, BINS))


def _seconds(track: Tracked) -> tuple[F64, Bools]:
    t = np.arange(max(1, int(track.duration)), dtype=np.float64) + 0.5
    truths = np.array(track.truths, np.float64).reshape(-1, 2)
    inside = ((t[:, None] >= truths[:, 0]) & (t[:, None] <= truths[:, 1])).any(axis=1)
    clip = np.searchsorted(track.bounds[:, 0], t, side="right") - 1
    covered = clip >= 0
    covered[covered] &= t[covered] <= track.bounds[clip[covered], 1]
    p = np.zeros(len(t))
    p[covered] = track.p[clip[covered]]
    return p, np.asarray(inside)
