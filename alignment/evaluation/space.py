"""Where an embedding space lies: how far descriptions of what a frame shows stand apart from all others.

The measure is the z-score of a frame's cosine with a description among its cosines with a panel of names
(``alignment/panel``), because cosines of two spaces cannot be compared. What can be known without truth is measured on
any frames; z-scores of true pairs need annotations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from alignment.panel import LEAST_DEVIATION, LEAST_STRENGTH, STRENGTH, strength_of
from alignment.types import F32, Bools

NEAREST = 10  # names of a frame whose things it may show
MOST_PAIRS = 200_000  # of frames that are compared with each other
# Where descriptions stand apart, in the spaces that were measured (docs/adr/0027): the median of true pairs lies above
# CLEAR, and 99 % of the others lie below it.
CLEAR = 4.0
SEPARATES, HARDLY = 0.97, 0.85  # probability that a true pair lies above another one
DISTINCT, NOISE = 4.5, 3.7  # highest z-score of a frame, mean; the largest of 1000 numbers of noise is about 3.2
STYLE = 1.5  # median of the others from which descriptions lie nearer to every frame than names do


class Grade(StrEnum):
    """What a space is good for."""

    APART = "apart"  # what a frame shows stands apart
    PARTLY = "partly"  # some of it does
    USELESS = "useless"


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a quantity, and how often it was measured."""

    low: float  # 1 %
    median: float
    high: float  # 99 %
    count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One description, f32[P, D] its wordings, and for each frame whether it is true (1), false (0) or unknown (-1)."""

    wordings: F32
    truth: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class SpaceFigures:
    """Where a space lies. z-scores are those before the factor ``r`` of ``alignment/panel``.

    ``true`` and ``separation`` (probability that a true pair has a higher z-score than another) need annotations.
    """

    frames: int
    strength: float  # mean over frames of the highest z-score of a name
    r: float
    others: Spread  # z-scores of descriptions of what a frame does not show
    true: Spread | None
    separation: float | None
    texts: Spread  # cosines of two names
    frames_alike: Spread  # cosines of two frames
    gap: Spread  # cosines of a frame and a name


def measure_space(
    frames: F32, panel: F32, probes: F32, things: NDArray[np.intp], asked: Sequence[Asked] = ()
) -> SpaceFigures:
    """Return where the space of ``frames`` f32[N, D] and ``panel`` f32[K, D], unit rows, lies.

    ``probes`` f32[P, D] describe things without their name, ``things`` int[P] is the number in the panel of each.
    """
    cosines = frames @ panel.T
    mean, deviation = (
        cosines.mean(axis=1, keepdims=True),
        np.maximum(cosines.std(axis=1, keepdims=True), LEAST_DEVIATION),
    )
    names = (cosines - mean) / deviation
    strength = strength_of(frames, panel)
    others = ((frames @ probes.T - mean) / deviation)[_not_shown(names, things)]
    true, false = _by_truth(frames, asked, mean, deviation)
    return SpaceFigures(
        frames=len(frames),
        strength=strength,
        r=float(np.sqrt(STRENGTH / max(strength, LEAST_STRENGTH))),
        others=_spread(np.concatenate([others, false])),
        true=_spread(true) if len(true) else None,
        separation=_separation(true, np.concatenate([others, false])) if len(true) else None,
        texts=_spread(_pairs(panel)),
        frames_alike=_spread(_pairs(frames)),
        gap=_spread(cosines.ravel()),
    )


def grade(figures: SpaceFigures) -> Grade:
    """Return what the space is good for, by true pairs if they are known, else by how distinct frames are."""
    if figures.true is not None and figures.separation is not None:
        if figures.separation < HARDLY:
            return Grade.USELESS
        apart = figures.true.median >= CLEAR >= figures.others.high and figures.separation >= SEPARATES
    else:
        if figures.strength < NOISE:
            return Grade.USELESS
        apart = figures.strength >= DISTINCT and figures.others.high <= CLEAR
    return Grade.APART if apart else Grade.PARTLY


def _not_shown(names: F32, things: NDArray[np.intp]) -> Bools:
    """Return bool[N, P]: whether the thing of a probe is not among the names nearest to a frame."""
    least = np.partition(names, -NEAREST, axis=1)[:, -NEAREST, None]
    return np.asarray((names < least)[:, things])


def _by_truth(frames: F32, asked: Sequence[Asked], mean: F32, deviation: F32) -> tuple[F32, F32]:
    """Return the z-scores of true and of false pairs."""
    found: tuple[list[F32], list[F32]] = ([np.zeros(0, np.float32)], [np.zeros(0, np.float32)])
    for question in asked:
        z = ((frames @ question.wordings.T).max(axis=1) - mean[:, 0]) / deviation[:, 0]
        for pairs, value in zip(found, (1, 0), strict=True):
            pairs.append(z[question.truth == value])
    return np.concatenate(found[0]), np.concatenate(found[1])


def _separation(true: F32, others: F32) -> float:
    """Return the probability that one of ``true`` is above one of ``others``: the area under the ROC curve."""
    ranked = np.sort(others)
    below = np.searchsorted(ranked, true, "left") + np.searchsorted(ranked, true, "right")
    return float(below.mean() / 2 / len(ranked))


def _pairs(rows: F32) -> F32:
    """Return the cosines of pairs of rows; of many rows only of every n-th."""
    kept = rows[:: max(1, round(len(rows) / (2 * MOST_PAIRS) ** 0.5))]
    cosines = kept @ kept.T
    return np.asarray(cosines[np.triu_indices(len(kept), 1)] if len(kept) > 1 else cosines.ravel())


def _spread(x: F32) -> Spread:
    low, median, high = np.percentile(x, [1, 50, 99])
    return Spread(float(low), float(median), float(high), int(x.size))


def in_words(figures: SpaceFigures) -> Iterator[str]:
    """Yield what the figures mean for who describes events, one sentence a line."""
    found, true, others = grade(figures), figures.true, figures.others
    if true is not None:
        yield (
            f"Others have their median at {others.median:.1f}, 99 % of them lie below {others.high:.1f}; "
            f"what a frame shows has its median at {true.median:.1f}."
        )
    else:
        yield (
            f"Others have their median at {others.median:.1f}, 99 % of them lie below {others.high:.1f}; "
            f"the best name of a frame has {figures.strength:.1f} on average (noise: {LEAST_STRENGTH - 0.1:.1f})."
        )
    yield {
        Grade.APART: "Descriptions of things stand apart in this space: the default aligner works here.",
        Grade.PARTLY: "This space separates in part: clear events will be found, others missed. Test yours with "
        "`watchword eval`, and compare `models: {aligner: similarity}` and other models.",
        Grade.USELESS: "This space does not separate what a frame shows from what it does not: events will be missed "
        "or wrong. Use another model or another profile.",
    }[found]
    if others.median > STYLE:
        yield (
            "Descriptions that are longer than a name lie nearer to every frame than names do: expect false alerts. "
            "Describe events shortly, or give `max_false_alerts`."
        )
