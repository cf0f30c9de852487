"""The official figures of QVHighlights (Lei et al., "Detecting Moments and Highlights in Videos", NeurIPS 2021).

They follow the benchmark's conventions, so that published tables can be compared; ``metrics`` has those of decided
events. The conventions, as the benchmark describes them and its published sample figures show them:

- *R1@t*: share of queries whose first listed window, whatever its score, has a tIoU of at least t with a true window.
- *mAP@t*: of the first ten listed windows, ordered by score. Average precision is interpolated (PASCAL VOC 2010), per
  query, then averaged over queries. The average is over t = 0.5, 0.55 … 0.95.
- *short*, *middle*, *long*: true windows of at most 10 s, 30 s and 150 s, above the limit of the group before; queries
  without such a window are left out, predictions are not.
- *Highlights*: three annotators rate each clip of 2 s from 0 to 4. A clip is a highlight for an annotator who rates it
  at least Fair (2), Good (3) or VeryGood (4). *Hit1*: the clip with the highest predicted saliency is one for some
  annotator. *mAP*: of clips by saliency, mean over queries and annotators.

All figures are shares, 0 to 1. Absent queries do not exist in this benchmark and are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from alignment.evaluation.annotations import Annotation, Prediction, Qid, Window
from alignment.evaluation.matching import TOLERANCE, average_precision, match, overlaps
from alignment.types import F64, Bools

TIOUS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
LENGTHS: Mapping[str, tuple[float, float]] = {  # s: above the first, up to the second
    "short": (0, 10),
    "middle": (10, 30),
    "long": (30, 150),
}
FULL = "full"
RATINGS = {"Fair": 2, "Good": 3, "VeryGood": 4}
LISTED = 10  # predicted windows of a query that count for mAP
CLIP_S = 2.0


@dataclass(frozen=True, slots=True)
class MomentFigures:
    """R1 and mAP by tIoU, for the queries with a true window of one range of lengths."""

    queries: int
    r1: dict[float, float]
    ap: dict[float, float]

    @property
    def mean_ap(self) -> float:
        """Return the mean of mAP over ``TIOUS``."""
        return fmean(self.ap.values())


@dataclass(frozen=True, slots=True)
class HighlightFigures:
    """Figures of saliency for one rating that makes a clip a highlight."""

    mean_ap: float
    hit1: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Moments by range of lengths, without empty ranges; highlights by rating, empty without saliency."""

    moments: dict[str, MomentFigures]
    highlights: dict[str, HighlightFigures]


def benchmark(annotations: Sequence[Annotation], predictions: Sequence[Prediction]) -> Benchmark:
    """Return the official figures; a query without a prediction counts as one that finds nothing."""
    by_qid = {p.qid: p for p in predictions}
    ranges = {name: _of_length(annotations, *limits) for name, limits in LENGTHS.items()}
    ranges[FULL] = {a.qid: a.windows for a in annotations if a.windows}
    moments = {name: _moments(truths, by_qid) for name, truths in ranges.items() if truths}
    rated = [a for a in annotations if a.saliency]
    if not any(by_qid[a.qid].saliency for a in rated if a.qid in by_qid):
        return Benchmark(moments, {})
    pairs = [(_ratings(a), by_qid[a.qid].saliency if a.qid in by_qid else ()) for a in rated]
    return Benchmark(moments, {name: _highlights(pairs, least) for name, least in RATINGS.items()})


def _of_length(annotations: Sequence[Annotation], above: float, up_to: float) -> dict[Qid, tuple[Window, ...]]:
    kept = {a.qid: tuple(w for w in a.windows if above < w[1] - w[0] <= up_to) for a in annotations}
    return {qid: windows for qid, windows in kept.items() if windows}


def _moments(truths: Mapping[Qid, tuple[Window, ...]], by_qid: Mapping[Qid, Prediction]) -> MomentFigures:
    first, precisions = [], []
    for qid, windows in truths.items():
        listed = by_qid[qid].windows if qid in by_qid else ()
        first.append(float(overlaps(listed[:1], windows).max(initial=0.0)))
        overlap = overlaps(sorted(listed[:LISTED], key=lambda w: -w[2]), windows)
        precisions.append([_average_precision(overlap, t) for t in TIOUS])
    means = np.mean(precisions, axis=0)
    return MomentFigures(
        queries=len(truths),
        r1={t: fmean(x >= t - TOLERANCE for x in first) for t in TIOUS},
        ap={t: float(mean) for t, mean in zip(TIOUS, means, strict=True)},
    )


def _average_precision(overlap: F64, tiou: float) -> float:
    hits = np.zeros(overlap.shape[0], np.bool_)
    hits[[m.predicted for m in match(overlap, tiou)]] = True
    return average_precision(hits, overlap.shape[1])


def _ratings(a: Annotation) -> F64:
    """Return f64[clips, annotators]; clips without a rating have 0."""
    ratings = np.zeros((int(a.duration / CLIP_S), max(len(r) for _, r in a.saliency)))
    for clip, given in a.saliency:
        if clip < len(ratings):
            ratings[clip, : len(given)] = given
    return ratings


def _highlights(pairs: Sequence[tuple[F64, Sequence[float]]], least: int) -> HighlightFigures:
    hits, precisions = [], []
    for ratings, saliency in pairs:
        true = ratings >= least
        best = int(np.argmax(saliency)) if saliency else len(true)
        hits.append(best < len(true) and bool(true[best].any()))
        scores = np.zeros(len(true))
        scores[: len(saliency)] = saliency[: len(true)]
        precisions += [clip_average_precision(scores, annotator) for annotator in true.T]
    return HighlightFigures(fmean(precisions), fmean(hits))


def clip_average_precision(scores: F64, true: Bools) -> float:
    """Return the interpolated average precision of clips f64[N] by score, against bool[N].

    Clips with equal scores are retrieved together, and count once. It is 0 if no clip is true, and 1 if all are.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.cumsum(true[order])[last]
    precision = np.maximum.accumulate((found / (last + 1))[::-1])[::-1]
    rises = np.diff(found, prepend=0) > 0
    return float(precision[rises].mean()) if rises.any() else 0.0
