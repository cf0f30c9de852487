"""Real score tracks for ``tests.benchmarks.learning.budgets``: annotated videos that a camera shows again and again.

A budget sees the video for 48 hours, another time with a little more or less confidence in every lap (``NOISE``), and
nothing was learned before. Printed are, for each budget, the wrong events by what the budget allows in 48 hours: all
that are recorded, which is also what was alerted before there was an allowance, and those within the budget. A wrong
event has no tIoU of 0.3 with a true window. Then the recall of the first hours, of events that are as rare as the
budget: their windows are cut out of all other laps.

Each video goes through the daemon's own extraction once; its features are cached by content. The default aligner reads
the video three times in a row, in a sliding window as the daemon does, and the scores of the last time are the steady
state of a camera that repeats it. A pair is one query on one video, with the windows in which the query is true.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.spans.budget import Budget
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.training.examples.dataset import cut
from alignment.types import EventQuery, FeatureWindow, ScoreTrack, Span
from alignment.windows import WINDOW_CLIPS
from daemon.evaluation.run import find_videos, read_annotations
from daemon.offline.extraction import Extractor
from daemon.offline.runner import OfflineSettings
from workers.decisions.rules import span_rule
from workers.services.aligner_options import AlignerOptions, load_network
from workers.types import EventSpec

LAPS = 3
CHUNK = 300  # clips that the tracker reads at once
HOURS = 48.0
BUDGETS = (1 / 24, 4.0)  # an hour
FIRST_HOURS = 6.0  # of recall; for budgets below one an hour all ``HOURS``
NOISE = 0.5  # standard deviation on the logit of p, of a whole lap
LEAST_P = 0.12  # a lap that stays below is two standard deviations of the noise below the lowest threshold, 0.3
HIT = 0.3  # tIoU


@dataclass(frozen=True, slots=True)
class Pair:
    """One query on one video: the probability p f32[T] of each clip of a lap, bounds f64[T, 2] in seconds of the lap.

    ``windows`` are those of the annotation; ``family`` is its kind.
    """

    vid: str
    query: str
    family: str
    lap_s: float
    p: NDArray[np.float32]
    bounds: NDArray[np.float64]
    windows: tuple[tuple[float, float], ...]
    rule: SpanRule


def load_pairs(folders: Sequence[Path], cache: Path) -> list[Pair]:
    """Return the pairs of folders that hold ``annotations.jsonl`` and videos; scores are cached under ``cache``."""
    return [pair for folder in folders for pair in _of_folder(folder, cache)]


def _of_folder(folder: Path, cache: Path) -> list[Pair]:
    annotations = read_annotations(folder / "annotations.jsonl")
    videos = find_videos(folder, (a.vid for a in annotations))
    pairs = []
    with Extractor(OfflineSettings()) as extractor:
        aligner = load_network(AlignerOptions(), extractor.description.calibration)
        for item in extractor.extract(list(videos.values()), cache, lambda *_: None):
            if item.features is None:
                raise SystemExit(f"{item.path}: {item.error}")
            asked = [a for a in annotations if a.vid == item.path.stem]
            specs = [EventSpec(f"q{i}", (a.query,), max_false_alerts_per_hour=1.0) for i, a in enumerate(asked)]
            queries = extractor.queries(specs)
            window = item.features.window
            lap_s = float(window.bounds[-1, 1])
            name = hashlib.sha256(repr((aligner.name, item.path.stem, [a.query for a in asked])).encode()).hexdigest()
            kept = cache / f"scores-{name[:16]}.npz"
            if not kept.is_file():
                p, bounds = _steady(window, lap_s, queries, aligner)
                np.savez(kept, p=p, bounds=bounds)
            scores = np.load(kept)
            for i, (a, spec, query) in enumerate(zip(asked, specs, queries, strict=True)):
                rule = span_rule(spec, query, aligner.rates)
                pairs.append(
                    Pair(a.vid, a.query, str(a.kind), lap_s, scores["p"][i], scores["bounds"][i], a.windows, rule)
                )
    return pairs


def _steady(
    video: FeatureWindow, lap_s: float, queries: Sequence[EventQuery], aligner: CrossAttentionAligner
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return p f32[Q, T] and bounds f64[Q, T, 2] of the last lap, as decided when each clip leaves the window."""
    laps = [replace(video, bounds=video.bounds + n * lap_s, speech_t=video.speech_t + n * lap_s) for n in range(LAPS)]
    whole = replace(
        video,
        **{
            name: np.concatenate([getattr(lap, name) for lap in laps])
            for name in ("bounds", "frames", "frame_mask", "speech", "speech_t", "sound", "sound_mask")
        },
    )
    clips = len(video.bounds)
    scorer = aligner.begin(queries)
    p = np.zeros((len(queries), LAPS * clips), np.float32)
    bounds = np.zeros((len(queries), LAPS * clips, 2))
    for end in range(1, LAPS * clips + 1):
        first = max(0, end - WINDOW_CLIPS)
        for i, track in enumerate(scorer.score(cut(whole, first, end), first)):
            p[i, first:end], bounds[i, first:end] = track.p, track.bounds
    at = (LAPS - 2) * clips  # the last lap lacks the clips after it
    return p[:, at : at + clips], bounds[:, at : at + clips] - (LAPS - 2) * lap_s


@dataclass(frozen=True, slots=True)
class Stay:
    """Laps of one pair in a row: scores, bounds in stream seconds, and the true windows."""

    p: NDArray[np.float32]
    bounds: NDArray[np.float64]
    truth: list[tuple[float, float]]


def stay(pair: Pair, hours: float, rng: np.random.Generator, true_per_hour: float | None) -> Stay:
    """Repeat a lap for some hours; ``true_per_hour``: so often with its true windows, which else are cut out."""
    empty = np.ones(len(pair.p), np.bool_)
    for start, end in pair.windows:
        empty &= (pair.bounds[:, 1] < start - 2) | (pair.bounds[:, 0] > end + 2)
    share = 1.0 if true_per_hour is None else true_per_hour * pair.lap_s / 3600 / max(1, len(pair.windows))
    z = np.log(pair.p.clip(1e-7, 1 - 1e-7)) - np.log1p(-pair.p.clip(1e-7, 1 - 1e-7))
    p, bounds, truth = [], [], list[tuple[float, float]]()
    for at in np.arange(round(hours * 3600 / pair.lap_s)) * pair.lap_s:
        whole = rng.random() < share
        kept = slice(None) if whole else empty
        p.append(1 / (1 + np.exp(-(z[kept] + NOISE * rng.standard_normal()))))
        bounds.append(pair.bounds[kept] + at)
        truth += [(a + at, b + at) for a, b in pair.windows] if whole else []
    return Stay(np.concatenate(p).astype(np.float32), np.concatenate(bounds), truth)


def judge(pair: Pair, laps: Stay, budget: Budget) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return of each recorded event whether it is within the budget, and its tIoU with each true window, [N, R]."""
    tracker, shares = SpanTracker("e", pair.rule, budget), np.tile(np.array([1, 0, 0], np.float32), (CHUNK, 1))
    last = dict[float, Span]()
    for first in range(0, len(laps.p), CHUNK):
        part = slice(first, first + CHUNK)
        track = ScoreTrack("e", laps.p[part], laps.bounds[part], shares[: len(laps.p[part])])
        last |= {c.opened: c.span for c in tracker.update(track, first, len(track.p), float(track.bounds[-1, 1]))}
    last |= {c.opened: c.span for c in tracker.finish()}
    within = np.array([not s.over_budget for s in last.values()], np.bool_)
    return within, _tiou(np.array([(s.start, s.end) for s in last.values()]), np.array(laps.truth))


def _tiou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return f64[N, R]: intersection over union of intervals [N, 2] and [R, 2]."""
    a, b = a.reshape(-1, 1, 2), b.reshape(1, -1, 2)
    both = np.maximum(np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]), 0)
    union = a[..., 1] - a[..., 0] + b[..., 1] - b[..., 0] - both
    return np.asarray(both / np.maximum(union, 1e-9))


def print_real(folders: Sequence[Path], cache: Path, seed: int) -> None:
    """Print the table for all pairs of some folders."""
    cache.mkdir(parents=True, exist_ok=True)
    pairs = load_pairs(folders, cache)
    print(f"{len(pairs)} pairs of a query and a video, {sum(not q.windows for q in pairs)} without a true window")
    print("budget/h          | wrong÷budget: <=2x   <=5x  worst  most | recall of rare events, first hours", flush=True)
    for per_hour in BUDGETS:
        rng = np.random.default_rng([seed, round(per_hour * 24)])
        wrong = np.array([_wrong(q, per_hour, rng) for q in pairs]).T  # [2, N]
        ratios = wrong / (per_hour * HOURS)
        recall = np.nanmean([_first_recall(q, per_hour, rng) for q in pairs if q.windows], axis=0)
        for name, counts, ratio, found in zip(("recorded", "alerts"), wrong, ratios, recall, strict=True):
            held = f"{np.mean(ratio <= 2):>17.1%} {np.mean(ratio <= 5):>6.1%} {ratio.max():>6.2f} {counts.max():>5.0f}"
            print(f"{per_hour:>8.3f} {name:<8} | {held} | {found:.3f}", flush=True)


def _wrong(pair: Pair, per_hour: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return the wrong events in ``HOURS``: all, and those within the budget."""
    if pair.p.max() < LEAST_P:
        return 0, 0
    within, tiou = judge(pair, stay(pair, HOURS, rng, None), Budget(per_hour, CrossAttentionAligner.rates))
    wrong = tiou.max(axis=1, initial=0) < HIT
    return int(wrong.sum()), int((wrong & within).sum())


def _first_recall(pair: Pair, per_hour: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the recall of the first hours at tIoU ``HIT``: by all events, and by those within the budget."""
    laps = stay(pair, FIRST_HOURS if per_hour >= 1 else HOURS, rng, per_hour)
    if not laps.truth:
        return np.nan, np.nan
    if pair.p.max() < LEAST_P:
        return 0.0, 0.0
    within, tiou = judge(pair, laps, Budget(per_hour, CrossAttentionAligner.rates))
    found = tiou >= HIT
    return float(found.any(axis=0).mean()), float(found[within].any(axis=0).mean())
