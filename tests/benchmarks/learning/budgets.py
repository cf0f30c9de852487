"""Whether budgets hold: ``python -m tests.benchmarks.learning.budgets [--streams N] [--seed S]`` simulates scores.

Long sequences of probabilities, one a second, through the daemon span trackers, from the thresholds of the default
aligner. Backgrounds of several tails, three of them beyond what a curve fitted to the bulk would say; true events are
mixed in at three rates. Realised are alerts that touch no true event, an hour, by the stated budget: by the fixed
threshold that the budget starts from, all events that the adaptive one records, and those of them within the budget.
Recall is of true events after a third of the time, in the same three ways. With ``--media FOLDER …`` the scores are
those of real videos instead (``budget_tracks``).
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.spans.budget import Budget
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import ScoreTrack, SpanChange

F64 = NDArray[np.float64]
Window = tuple[float, float]
CHUNK = 75
RULE = SpanRule(min_duration_s=2.0)
RUNS = ((4.0, 24.0), (1.0, 48.0), (1 / 24, 168.0))  # budget an hour, hours
EVENTS_BY_BUDGET = (0.0, 0.5, 10.0)  # true events an hour, in units of the budget


def smooth(x: F64, keep: float) -> F64:
    """Return a first-order autoregression driven by ``x``, with the variance of ``x`` where that is finite."""
    out, value, gain = np.empty_like(x), 0.0, np.sqrt(1 - keep**2)
    for i, v in enumerate(x):
        value = keep * value + gain * v
        out[i] = value
    return out


def gaussian(rng: np.random.Generator, n: int) -> F64:
    """Light tail on the logit: an ordinary quiet camera."""
    return rng.uniform(-6, -3) + rng.uniform(0.5, 1.0) * smooth(rng.standard_normal(n), 0.9)


def heavy(rng: np.random.Generator, n: int) -> F64:
    """Student's t with 4 degrees of freedom."""
    return rng.uniform(-6, -4) + 0.6 * smooth(rng.standard_t(4, n), 0.8)


def regimes(rng: np.random.Generator, n: int) -> F64:
    """Calm and busy hours by turns."""
    busy = np.sin(np.arange(n) * 2 * np.pi / 86400 + rng.uniform(0, 6)) > 0.3
    return rng.uniform(-6, -5) + np.where(busy, 1.5, 0.0) + 0.7 * smooth(rng.standard_normal(n), 0.9)


def shots(rng: np.random.Generator, n: int) -> F64:
    """Something new every eight seconds, as in an edited video."""
    lengths = rng.integers(3, 13, n // 3 + 1)
    levels = rng.normal(rng.uniform(-7, -5), rng.uniform(1.0, 1.6), len(lengths))
    return np.asarray(np.repeat(levels, lengths)[:n] + 0.2 * rng.standard_normal(n))


def confusable(rng: np.random.Generator, n: int) -> F64:
    """A quiet camera, and now and then something very much like the described event."""
    z = gaussian(rng, n)
    for at in rng.integers(0, n - 20, rng.poisson(n / 3600 * rng.choice([0.1, 0.5, 2.0]))):
        z[at : at + rng.integers(4, 20)] = rng.normal(1.0, 1.2)
    return z


BACKGROUNDS: dict[str, Callable[[np.random.Generator, int], F64]] = {
    f.__name__: f for f in (gaussian, heavy, regimes, shots, confusable)
}


def with_events(rng: np.random.Generator, z: F64, per_hour: float) -> list[Window]:
    """Mix true events into a background, in place; return where they are."""
    windows: list[Window] = []
    for at in sorted(rng.integers(0, len(z) - 30, rng.poisson(len(z) / 3600 * per_hour))):
        if windows and at < windows[-1][1] + 10:
            continue
        end = at + int(rng.integers(4, 25))
        z[at:end] = np.maximum(z[at:end], rng.normal(3.5, 1.5) + 0.5 * rng.standard_normal(end - at))
        windows.append((float(at), float(end)))
    return windows


def watch(p: NDArray[np.float32], tracker: SpanTracker) -> Iterator[SpanChange]:
    """Feed a whole sequence, clip k covering [k, k + 1)."""
    t = np.arange(len(p), dtype=np.float64)
    bounds, shares = np.stack([t, t + 1], 1), np.tile(np.array([1, 0, 0], np.float32), (len(p), 1))
    for n in range(CHUNK, len(p) + CHUNK, CHUNK):
        first, end = max(0, n - 2 * CHUNK), min(n, len(p))
        track = ScoreTrack("e", p[first:end], bounds[first:end], shares[first:end])
        yield from tracker.update(track, first, end - first, float(end))
    yield from tracker.finish()


def events(changes: Iterator[SpanChange]) -> tuple[list[Window], list[Window]]:
    """Return the last revision of each span in order of time: of all, and of those within the budget."""
    last = sorted((c.span for c in {c.opened: c for c in changes}.values()), key=lambda s: s.start)
    return [(s.start, s.end) for s in last], [(s.start, s.end) for s in last if not s.over_budget]


def touched(a: list[Window], b: list[Window]) -> NDArray[np.bool_]:
    """Return which of ``a`` overlap any of ``b``; both are in order and free of overlaps."""
    if not b:
        return np.zeros(len(a), np.bool_)
    starts, ends = np.array(b).T
    hit = [np.searchsorted(ends, s, "right") < np.searchsorted(starts, e, "left") for s, e in a]
    return np.array(hit, np.bool_)


@dataclass(frozen=True, slots=True)
class Result:
    """One stream: false alerts by stated budget, and recall: fixed threshold, all recorded, within the budget."""

    ratios: tuple[float, float, float]
    recalls: tuple[float, float, float]
    threshold: float


def simulate(rng: np.random.Generator, kind: str, budget_per_hour: float, hours: float, by_budget: float) -> Result:
    """Run one stream twice: with the threshold that the budget starts from, and with the budget."""
    z = BACKGROUNDS[kind](rng, int(hours * 3600))
    truth = with_events(rng, z, by_budget * budget_per_hour)
    p = (1 / (1 + np.exp(-z))).astype(np.float32)
    budget = Budget(budget_per_hour, CrossAttentionAligner.rates)
    late = [w for w in truth if w[0] > hours * 1200]
    ratios, recalls = [], []
    fixed, _ = events(watch(p, SpanTracker("e", RULE.at(budget.threshold))))
    for found in (fixed, *events(watch(p, SpanTracker("e", RULE, budget)))):
        ratios.append(float((~touched(found, truth)).sum()) / hours / budget_per_hour)
        recalls.append(float(touched(late, found).mean()) if late else float("nan"))
    return Result((ratios[0], ratios[1], ratios[2]), (recalls[0], recalls[1], recalls[2]), budget.threshold)


def main() -> None:
    """Print a line for each background, budget and rate of true events, and how often the budget held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--media", type=Path, nargs="+", help="folders with annotations.jsonl and its videos")
    parser.add_argument("--cache", type=Path, default=Path(".cache/budgets"), help="for features and scores of videos")
    options = parser.parse_args()
    if options.media:
        from tests.benchmarks.learning.budget_tracks import print_real

        print_real(options.media, options.cache, options.seed)
    else:
        print_simulated(options.streams, options.seed)


def print_simulated(streams: int, seed: int) -> None:
    """Simulate streams of every background."""
    print(
        "background  budget/h events/h | false÷budget: fixed recorded alerts (worst) held | recall: the same three | p"
    )
    held: list[bool] = []
    for kind in BACKGROUNDS:
        for budget, hours in RUNS:
            for by_budget in EVENTS_BY_BUDGET:
                seeds = [[seed, hash_of(kind), round(hours), round(by_budget * 10), n] for n in range(streams)]
                rows = [simulate(np.random.default_rng(s), kind, budget, hours, by_budget) for s in seeds]
                within = [r.ratios[2] <= 2 for r in rows]
                held += within
                fixed, recorded, alerts = np.mean([r.ratios for r in rows], axis=0)
                worst, p = max(r.ratios[2] for r in rows), np.mean([r.threshold for r in rows])
                recalls = np.nanmean([r.recalls for r in rows], axis=0) if by_budget else np.full(3, np.nan)
                false = f"{fixed:>8.2f} {recorded:>8.2f} {alerts:>8.2f} ({worst:5.2f}) {np.mean(within):>5.0%}"
                found = " ".join(f"{r:.2f}" for r in recalls)
                print(f"{kind:<11} {budget:>8.3f} {by_budget * budget:>8.2f} | {false} | {found} | {p:.3f}", flush=True)
    print(f"within twice the budget: {np.mean(held):.1%} of {len(held)} streams")


def hash_of(name: str) -> int:
    """Return a number of a name that is the same in every run."""
    return int.from_bytes(name.encode()[:4], "big")


if __name__ == "__main__":
    main()
