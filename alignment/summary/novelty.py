"""Novelty of clips: how unlike all else that a camera shows each of them is, and the moments in which it peaks.

A clip's distance is 1 − cosine, averaged over the ``NEAREST`` of a sample of clips at other times (outliers by distance
to neighbours, Ramaswamy et al. 2000). What a camera shows for more than ``NEAREST`` / ``SAMPLE`` of the time, by
day or by night, has near neighbours; what it shows once has none. Novelty is that distance in robust standard
deviations above its median, so that it means the same on every camera.

Measured on five camera-like videos of 100 to 130 s with 25 true windows (profile `lite`): of 21 moments at ``NOVEL``
and above 20 are true ones, and 18 of the windows have one. The distance to the mean of the video finds
as much there, but takes every night for something new.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.search.embedding_store import I8
from alignment.types import F32, F64, Bools
from alignment.vectors import unit_rows

SAMPLE = 512  # clips that stand for all that is shown
NEAREST = 10
APART_S = 5.0  # clips nearer in time are no witnesses for each other
MOST_ROWS = 30_000  # of longer videos neighbouring clips are averaged: a day at 1 fps by three
CHUNK_ROWS = 4096
GAP_S = 5.0  # clips further apart are no neighbours
NOVEL = 3.0  # novelty from which a clip is a moment of its own
LONGEST_S = 30.0  # of one moment
SPACING = 1 / 200  # of the whole time: moments nearer to a higher one are part of the same story
LEAST_SPREAD = 3e-3  # of distances, half of the least of five cameras: noise of a still picture is no news


@dataclass(frozen=True, slots=True)
class Novelty:
    """How unlike all others the clips of one camera are; times are stream seconds."""

    t: F64  # [N] rising, the middle of each clip
    values: F32  # [N] robust standard deviations above the median


@dataclass(frozen=True, slots=True)
class NovelMoment:
    """An interval in which novelty peaks at ``best``, stream seconds; ``novelty`` is its peak."""

    start: float
    end: float
    best: float
    novelty: float


def novelty(rows: F32 | I8, t: F64, before: F32 | I8 | None = None) -> Novelty:
    """Return the novelty of clips, rows [N, D] of any length at the times ``t`` [N].

    ``before`` [M, D]: what the camera has shown earlier, which is no news.
    """
    shown, times = _averaged(rows, t)
    if not len(shown):
        return Novelty(times, np.zeros(0, np.float32))
    chosen = _spread(len(shown))
    sample, sample_t = shown[chosen], times[chosen]
    if before is not None and len(before):
        earlier = unit_rows(np.asarray(before[_spread(len(before))], np.float32))
        sample, sample_t = np.concatenate([sample, earlier]), np.concatenate([sample_t, np.full(len(earlier), -np.inf)])
    distance = np.empty(len(shown), np.float32)
    for first in range(0, len(shown), CHUNK_ROWS):
        part = slice(first, first + CHUNK_ROWS)
        near = np.abs(times[part, None] - sample_t[None]) < APART_S
        distance[part] = _to_nearest(shown[part] @ sample.T, near)
    smooth = _smooth(distance, np.diff(times) <= GAP_S * max(1.0, len(t) / len(times)))
    usual = float(np.median(smooth))
    spread = max(1.4826 * float(np.median(np.abs(smooth - usual))), LEAST_SPREAD)
    return Novelty(times, np.asarray((smooth - usual) / spread, np.float32))


def novel_moments(found: Novelty, most: int) -> tuple[NovelMoment, ...]:
    """Return the ``most`` highest peaks of ``NOVEL`` and above, the highest first.

    A moment lasts while novelty is at least half of its peak, and at most ``LONGEST_S``.
    """
    t, left = found.t, found.values.copy()
    moments: list[NovelMoment] = []
    spacing = max(APART_S, SPACING * float(t[-1] - t[0])) if len(t) else 0.0
    while len(moments) < most and len(left) and left.max() >= NOVEL:
        best = int(left.argmax())
        lasting = (found.values >= left[best] / 2) & (np.abs(t - t[best]) <= LONGEST_S / 2)
        low = np.flatnonzero(~lasting)
        first = int(low[low < best].max(initial=-1)) + 1
        last = int(low[low > best].min(initial=len(t))) - 1
        step = float(np.median(np.diff(t))) if len(t) > 1 else 1.0
        moments.append(
            NovelMoment(float(t[first]) - step / 2, float(t[last]) + step / 2, float(t[best]), float(left[best]))
        )
        left[(t >= t[first] - spacing) & (t <= t[last] + spacing)] = -np.inf
    return tuple(moments)


def _spread(count: int) -> NDArray[np.int64]:
    """Return the numbers of ``SAMPLE`` of so many rows, or of all, evenly spread."""
    return np.unique(np.linspace(0, count - 1, SAMPLE).round().astype(np.int64))


def _averaged(rows: F32 | I8, t: F64) -> tuple[F32, F64]:
    """Return unit rows f32 and their times, at most ``MOST_ROWS``: means of neighbours where there are more."""
    size = max(1, -(-len(rows) // MOST_ROWS))
    firsts = np.arange(0, len(rows), size)
    shown = np.empty((len(firsts), rows.shape[1]), np.float32)
    step = CHUNK_ROWS * size
    for first in range(0, len(rows), step):
        part = unit_rows(np.asarray(rows[first : first + step], np.float32))
        groups = np.add.reduceat(part, np.arange(0, len(part), size), axis=0)
        shown[first // size : first // size + len(groups)] = unit_rows(groups)
    times = np.add.reduceat(t, firsts) / np.diff(np.append(firsts, len(t))) if len(t) else t
    return shown, np.asarray(times, np.float64)


def _to_nearest(cosines: F32, near: Bools) -> F32:
    """Return f32[N]: the mean distance to the nearest of a sample, of cosines [N, M] without those ``near`` in time."""
    distances = np.where(near, np.inf, 1.0 - cosines)
    nearest = np.partition(distances, min(NEAREST, distances.shape[1]) - 1, axis=1)[:, :NEAREST]
    known = np.isfinite(nearest)
    total = np.where(known, nearest, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1), np.float32)


def _smooth(values: F32, joined: Bools) -> F32:
    """Return the mean of each value and its neighbours, so that one damaged frame is no news."""
    total, count = values.copy(), np.ones(len(values), np.float32)
    total[1:] += np.where(joined, values[:-1], 0)
    total[:-1] += np.where(joined, values[1:], 0)
    count[1:] += joined
    count[:-1] += joined
    return np.asarray(total / count, np.float32)
