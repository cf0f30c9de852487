"""What ten clicks do to rules with confusable classes.

    python -m tests.benchmarks.learning.feedback --media MEDIA

A camera has visitors who come twelve times each, in random order: up to three that a rule means (``feedback_rules``)
and up to three that it does not mean and reports all the same. Somebody judges the first ten events that are reported,
and the head that is then in force decides on all later visits, by the daemon's aligner, head, gate and span tracker. A
rule counts if some of its visitors are found and some others are reported. Printed are, for each rule, what is left of
the stray alerts and how much recall is lost (95 %, bootstrap over ``--casts`` casts of visitors), and in how many of
the rules stray alerts are at least halved at a loss of recall of at most .05. ``--ways``: also without the gate,
and two other heads.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.personal.fitting import VARIANCE, WEIGHT, Judged, fit, posterior_mode
from alignment.personal.head import LOWERED, RAISED, Head
from alignment.personal.judging import cross_validate, is_better
from alignment.personal.samples import Samples, logit, logit_of
from alignment.personal.scorer import MOST_CLIPS
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import F32, SOUND_CLASSES, EventQuery, FeatureWindow, ScoreTrack
from daemon.feedback.learning import LEAST_CLICKS
from tests.benchmarks.learning.feedback_rules import MEANT, MINE
from tests.benchmarks.learning.feedback_visits import FRAMES, VISITS, Camera, Footage
from workers.decisions.rules import span_rule
from workers.queries.build import build_query
from workers.services.aligner_options import AlignerOptions, load_network
from workers.types import EventSpec

CLIPS, PAUSE = 8, 5  # of a visit, and of the empty view before and after it
TOGETHER = 4  # visits in one window
CLICKS, CAST = 10, 3
OFTEN = 0.4  # of the visits of somebody who counts as reported
RAISABLE = 0.3  # of a threshold: what stays below is no event with any head
HALVED, LOST = 0.5, 0.05
RESAMPLES = 2000
Visit = tuple[str, int]


class Correction(Protocol):
    """What corrects logits."""

    def offsets(self, samples: Samples) -> F32:
        """Return f32[N]."""
        ...


Way = Callable[[Sequence[Judged]], Correction | None]


@dataclass(frozen=True)
class Rule:
    """A description with its span rule; ``p`` f32[visits, CLIPS] by visitor; ``meant``: whom it means, (): one."""

    text: str
    spans: SpanRule
    p: dict[str, F32]
    meant: tuple[str, ...]


class World:
    """What the camera has seen, and how it decides."""

    def __init__(self, footage: Footage) -> None:
        self._frames = {name: looks.frames for name, looks in footage.visitors.items()}

    def samples(self, rule: Rule, visit: Visit) -> Samples:
        """Return the surest clips of a visit."""
        name, number = visit
        p = rule.p[name][number]
        surest = np.sort(np.argsort(-p, kind="stable")[:MOST_CLIPS])
        return self._all(rule, visit)[surest]

    def reported(self, rule: Rule, visit: Visit, head: Correction | None = None) -> bool:
        """Return whether a visit is an event."""
        p = rule.p[visit[0]][visit[1]]
        if p.max() < RAISABLE * rule.spans.enter:
            return False  # whatever the head
        every = self._all(rule, visit)
        if head is not None:
            p = (1 / (1 + np.exp(-every.logits - head.offsets(every)))).astype(np.float32)
        t = np.arange(len(p), dtype=np.float64)
        track = ScoreTrack("e", p, np.stack([t, t + 1], 1), every.shares)
        return bool(SpanTracker("e", rule.spans).update(track, 0, len(p), np.inf))

    def _all(self, rule: Rule, visit: Visit) -> Samples:
        name, number = visit
        frames = self._frames[name][number * FRAMES + shown()]
        nothing = np.zeros((CLIPS, 0), np.float32)
        shares = np.tile(np.array([1, 0, 0], np.float32), (CLIPS, 1))
        return Samples(frames, nothing, nothing, shares, logit(rule.p[name][number]))


def shown() -> NDArray[np.int64]:
    """Return which frame of a visit each of its clips shows."""
    return np.arange(CLIPS) * FRAMES // CLIPS


def score(footage: Footage, name: str, queries: Sequence[EventQuery], aligner: CrossAttentionAligner) -> F32:
    """Return p f32[Q, visits, CLIPS] of one visitor."""
    looks, empty, found = footage.visitors[name], footage.empty, []
    for first in range(0, VISITS, TOGETHER):
        frames, objects = [], []
        for visit in range(first, first + TOGETHER):
            pause = (np.arange(PAUSE) + visit * PAUSE) % len(empty.frames)
            mine = visit * FRAMES + shown()
            frames += [empty.frames[pause], looks.frames[mine], empty.frames[pause]]
            objects += [empty.objects[pause], looks.objects[mine], empty.objects[pause]]
        seen = np.concatenate(frames)
        t = np.arange(len(seen), dtype=np.float64)
        window = FeatureWindow(
            np.stack([t, t + 1], 1),
            seen,
            np.ones(len(seen), bool),
            np.zeros((0, queries[0].speech.shape[1]), np.float32),
            np.zeros((0, 2)),
            np.zeros((len(seen), SOUND_CLASSES), np.float32),
            np.zeros(len(seen), bool),
            np.concatenate(objects),
        )
        p = np.stack([track.p for track in aligner.begin(queries).score(window, 0)])
        found.append(p.reshape(len(queries), TOGETHER, -1)[:, :, PAUSE : PAUSE + CLIPS])
    return np.concatenate(found, axis=1)


def load_rules(camera: Camera, footage: Footage, cache: Path) -> list[Rule]:
    """Return all rules with the scores of all visitors, which are cached."""
    specs = [EventSpec(text, (text,)) for text in (*MEANT, *MINE)]
    encoder = camera.encoder
    queries = [replace(build_query(s, encoder, detects=True), vocabulary=encoder.vocabulary) for s in specs]
    aligner = load_network(AlignerOptions(), encoder.calibration)
    key, p = hashlib.sha256(repr((aligner.name, camera.seed, specs)).encode()).hexdigest()[:12], {}
    for name in footage.visitors:
        kept = cache / f"scores-{name}-{key}.npy"
        if not kept.is_file():
            np.save(kept, score(footage, name, queries, aligner))
        p[name] = np.load(kept)
    return [
        Rule(s.name, span_rule(s, q), {n: scores[i] for n, scores in p.items()}, tuple(MEANT.get(s.name, "").split()))
        for i, (s, q) in enumerate(zip(specs, queries, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cast, after the clicks: stray alerts without and with the head, visits that are meant, and found of them."""

    strays: int
    strays_left: int
    meant: int
    found: int
    found_left: int
    strangers: float  # of stray visitors who were never judged, the share of visits that is still reported
    friends: float  # the same of visitors who are meant


def play(world: World, rule: Rule, often: Sequence[str], rng: np.random.Generator, way: Way) -> Outcome | None:
    """Let visitors come, judge the first events, and count on the later ones; None: the rule is not confusable.

    ``often``: the visitors who are mostly reported.
    """
    mine = tuple(rng.choice(often, 1)) if not rule.meant and often else rule.meant
    meant = list(rng.permutation([n for n in often if n in mine]))
    others = list(rng.permutation([n for n in often if n not in mine]))
    if not meant or not others:
        return None
    cast, wrong = meant[:CAST], others[:CAST]
    visits: list[Visit] = [(n, v) for n in (*cast, *wrong) for v in range(VISITS)]
    visits = [visits[i] for i in rng.permutation(len(visits))]
    judged = [v for v in visits if world.reported(rule, v)][:CLICKS]
    threshold = logit_of(rule.spans.enter)
    head = way([Judged(world.samples(rule, v), v[0] in cast, threshold) for v in judged])
    later = [v for v in visits if v not in judged]
    left = {v: world.reported(rule, v, head) for v in later}
    before = {v: world.reported(rule, v) for v in later}
    new = [(n, v) for n in (*meant[CAST:], *others[CAST:])[:12] for v in range(4) if world.reported(rule, (n, v))]
    kept = {name: [world.reported(rule, v, head) for v in new if (v[0] in meant) is name] for name in (True, False)}
    return Outcome(
        sum(before[v] for v in later if v[0] in wrong),
        sum(left[v] for v in later if v[0] in wrong),
        sum(v[0] in cast for v in later),
        sum(before[v] for v in later if v[0] in cast),
        sum(left[v] for v in later if v[0] in cast),
        float(np.mean(kept[False])) if kept[False] else np.nan,
        float(np.mean(kept[True])) if kept[True] else np.nan,
    )


def shipped(judged: Sequence[Judged]) -> Head | None:
    """Return the daemon's head if it would come into force."""
    if len(judged) < LEAST_CLICKS:
        return None
    head = fit(judged)
    return head if is_better(judged, head, cross_validate(judged)) else None


def ungated(judged: Sequence[Judged]) -> Head | None:
    """Return the daemon's head, whatever the gate says."""
    return fit(judged) if judged else None


@dataclass(frozen=True)
class LinearHead:
    """For comparison: one direction f64[D] of frames, and the same bounds."""

    direction: NDArray[np.float64]

    def offsets(self, samples: Samples) -> F32:
        """Return f32[N]."""
        return np.asarray(np.clip(samples.frames @ self.direction, -LOWERED, RAISED), np.float32)


@dataclass(frozen=True)
class ThresholdHead:
    """For comparison: another threshold for everything."""

    raised: float

    def offsets(self, samples: Samples) -> F32:
        """Return f32[N]."""
        return np.full(len(samples), -self.raised, np.float32)


def linear(judged: Sequence[Judged]) -> LinearHead:
    """Return the logistic regression of the frames, with a Gaussian prior."""
    rows = np.concatenate([j.samples.frames for j in judged]).astype(np.float64)
    counts = [len(j.samples) for j in judged]
    sign = np.repeat([1.0 if j.right else -1.0 for j in judged], counts)
    margin = np.concatenate([j.samples.logits - j.threshold for j in judged])
    dual = posterior_mode(VARIANCE * rows @ rows.T, sign, margin, np.repeat([WEIGHT / n for n in counts], counts))
    return LinearHead(VARIANCE * rows.T @ dual)


def threshold(judged: Sequence[Judged]) -> ThresholdHead:
    """Return the threshold that is wrong about the fewest judged events, the lowest such one."""
    best = [j.samples.logits.max() - j.threshold for j in judged]
    levels = [0.0, *(one + 1e-3 for one, j in zip(best, judged, strict=True) if not j.right)]
    errors = [sum((one >= level) != j.right for one, j in zip(best, judged, strict=True)) for level in levels]
    return ThresholdHead(min(zip(errors, levels, strict=True))[1])


def strays_left(outcomes: Sequence[Outcome]) -> float:
    """Return the share of stray alerts that is left."""
    return sum(o.strays_left for o in outcomes) / max(1, sum(o.strays for o in outcomes))


def recall_lost(outcomes: Sequence[Outcome]) -> float:
    """Return the recall without the head minus that with it."""
    return sum(o.found - o.found_left for o in outcomes) / max(1, sum(o.meant for o in outcomes))


def interval(outcomes: Sequence[Outcome], value: Callable[[Sequence[Outcome]], float]) -> tuple[float, float]:
    """Return the 95 % interval of a value, by resampling the casts."""
    rng = np.random.default_rng(0)
    found = [value([outcomes[i] for i in rng.integers(0, len(outcomes), len(outcomes))]) for _ in range(RESAMPLES)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def print_table(world: World, rules: Sequence[Rule], casts: int, seed: int, way: Way) -> None:
    """Print what the head does to each rule, and to how many it does enough."""
    met, rows = [], []
    for number, rule in enumerate(rules):
        rng = np.random.default_rng([seed, number])
        seen = {n: np.mean([world.reported(rule, (n, v)) for v in range(VISITS)]) for n in rule.p}
        often = [n for n, share in seen.items() if share >= OFTEN]
        outcomes = [o for _ in range(casts) if (o := play(world, rule, often, rng, way)) is not None and o.strays]
        if len(outcomes) < casts / 2:
            continue
        left, lost = strays_left(outcomes), recall_lost(outcomes)
        met.append(left <= HALVED and lost <= LOST)
        rows.append((left, lost, _mean(o.strangers for o in outcomes), _mean(o.friends for o in outcomes)))
        low, high = interval(outcomes, strays_left)
        low_r, high_r = interval(outcomes, recall_lost)
        text = f"{rule.text:24} strays left {left:.2f} [{low:.2f}, {high:.2f}]"
        text += f"  recall lost {lost:+.3f} [{low_r:+.3f}, {high_r:+.3f}]"
        print(f"{text}  {'' if met[-1] else 'not met'}", flush=True)
    mean = np.nanmean(np.array(rows), axis=0)
    share, n = float(np.mean(met)), len(met)
    rng = np.random.default_rng(0)
    low, high = np.quantile(rng.choice(met, (RESAMPLES, n)).mean(axis=1), [0.025, 0.975])
    print(
        f"{n} rules: met by {share:.1%} [{low:.1%}, {high:.1%}]; strays left {mean[0]:.3f}, recall lost {mean[1]:+.4f}"
    )
    text = f"of visitors who were never judged {mean[2]:.2f} of the strays and {mean[3]:.2f} of those meant"
    print(f"{text} are still reported")


def _mean(values: Iterable[float]) -> float:
    """Return the mean of those that are numbers; NaN without any."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--media", type=Path, required=True, help="folder with photos and clips")
    parser.add_argument("--cache", type=Path, default=Path(".watchword/features"))
    parser.add_argument("--casts", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", action="store_true", help="also other heads")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    camera = Camera(options.media / "clips" / "porch_empty.jpg", options.cache, options.seed)
    footage = camera.watch(sorted((options.media / "photos").glob("*.jpg")))
    rules = load_rules(camera, footage, options.cache)
    world = World(footage)
    for way in (shipped, ungated, linear, threshold) if options.ways else (shipped,):
        print(way.__name__)
        print_table(world, rules, options.casts, options.seed, way)


if __name__ == "__main__":
    main()
