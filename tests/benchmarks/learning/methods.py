"""Trains every registered method briefly on the same data and writes docs/methods.md's tables: ``make methods``.

Every row has the same seed, steps, batches and threshold search; only what its name says differs. Two rows run at a
time, each on one thread.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from alignment.aligners.similarity import SimilarityAligner
from alignment.aligners.trained.batches import Outputs, Sample, collate
from alignment.baselines.decoding import decided, ranked
from alignment.baselines.fused import FusedOptions
from alignment.baselines.fusion import FUSIONS
from alignment.baselines.registry import MethodOptions, build_method, freeze
from alignment.evaluation.annotations import Prediction
from alignment.evaluation.metrics import evaluate, figures
from alignment.evaluation.per_query import ALERT_TIOU, outcome
from alignment.layers import SEQUENCE_ENCODERS
from alignment.towers.backbones import TowerOptions
from alignment.training.examples.augment import Augmenter, augmented
from alignment.training.losses import objective_for
from alignment.training.optimisers import OptimiserOptions
from alignment.training.task import AlignmentTask
from alignment.training.trainer import Trainer, TrainOptions
from tests.benchmarks.learning.methods_data import Split, annotation, f1_interval, synthetic_splits
from tests.benchmarks.learning.methods_towers import TowerFigures, train_towers

SEED = 7
BATCH = 24
SHIFTS = np.arange(-4, 4.5, 0.5)  # of the foreground's logit, the best on ``tune`` is taken
SPLITS: dict[str, Split] = {}  # filled before the processes fork: they share it
DOCS = Path(__file__).resolve().parents[3] / "docs" / "methods.md"

FULL_LOSS: Mapping[str, float] = {"cross_entropy": 1.0, "span": 1.0, "contrastive": 0.5}
ADAMW = OptimiserOptions(lr=2e-3, warmup_steps=20)
AUGMENTED = {"noise": 0.5, "frame_dropout": 0.3, "token_dropout": 0.3, "time_jitter": 0.3, "blend": 0.2}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. ``steps``: share of all; ``before``: the split that it learned from first."""

    group: str
    name: str
    method: MethodOptions = field(default_factory=lambda: MethodOptions("fused"))
    losses: Mapping[str, float] = field(default_factory=lambda: FULL_LOSS)
    optimiser: OptimiserOptions = ADAMW
    augmentation: Mapping[str, float] = field(default_factory=dict)
    split: str = "synthetic"
    steps: float = 1.0
    before: str = ""
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a row came to; F1 and decided mAP are of events, the ranked mAP of at most ten guesses a query."""

    f1: float
    interval: tuple[float, float]
    decided_map: float
    ranked_map: float
    false_alerts: float
    parameters: int
    ms: float
    train_s: float


def rows() -> list[Row]:
    """Return the table's plan."""

    def fused(**more: Any) -> MethodOptions:
        return MethodOptions("fused", fused=FusedOptions(**more))

    plan = [Row("Whole methods", "cosine, not trained", steps=0)]
    whole = {
        "watchword (cross-attention on inner products)": MethodOptions("watchword"),
        "Moment-DETR-style": MethodOptions("moment_detr"),
    }
    plan += [Row("Whole methods", name, method) for name, method in whole.items()]
    plan += [Row("Fusion", name, fused(fusion=name)) for name in FUSIONS]
    plan += [Row("Over time", name, fused(over_time=name)) for name in SEQUENCE_ENCODERS if name != "gru"]
    plan += [Row("Loss", name, losses={name: 1.0}) for name in ("mse", "plain_cross_entropy", "cross_entropy", "focal")]
    for more in ("span", "contrastive", "batch_contrastive"):
        plan.append(Row("Loss", f"cross_entropy + {more}", losses={"cross_entropy": 1.0, more: 1.0}))
    single = fused(heads=("foreground",))
    plan.append(Row("Heads", "foreground alone", single, {"cross_entropy": 1.0}))
    rates = {"sgd": 0.1, "momentum": 0.03, "adam": 2e-3}
    for name, lr in rates.items():
        plan.append(Row("Optimiser", name, optimiser=replace(ADAMW, name=name, lr=lr, weight_decay=1e-4)))  # type: ignore[arg-type]  # a known name
    plan.append(Row("Augmentation", ", ".join(AUGMENTED), augmentation=AUGMENTED))
    plan.append(Row("Transfer", "a quarter of the steps, from scratch", steps=0.25))
    plan.append(Row("Transfer", "a quarter, after training on what is seen", steps=0.25, before="qvhighlights"))
    frozen = "a quarter, after training on what is seen, `seen` frozen"
    plan.append(Row("Transfer", frozen, steps=0.25, before="qvhighlights", frozen=("seen",)))
    plan.append(Row("QVHighlights format", "cosine, not trained", split="qvhighlights", steps=0))
    whole |= {"fused, cross_attention": fused(), "fused, self_attention": fused(fusion="self_attention")}
    return plan + [Row("QVHighlights format", name, method, split="qvhighlights") for name, method in whole.items()]


TOWERS: tuple[tuple[TowerOptions, tuple[str, ...]], ...] = (
    (TowerOptions("resnet18", "gru"), ()),
    (TowerOptions("resnet18", "lstm"), ()),
    (TowerOptions("resnet18", "transformer"), ()),
    (TowerOptions("resnet18", "gru"), ("crop", "flip", "colour")),
    (TowerOptions("efficientnet_b0", "gru"), ()),
    (TowerOptions("mobilenet_v3_small", "gru"), ()),
    (TowerOptions("vgg11_bn", "gru"), ()),
)


def main() -> None:
    """Run the plan and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=80, help="of training, for every row")
    parser.add_argument("--tower-steps", type=int, default=40)
    parser.add_argument("--only", default="", help="rows whose group holds this text; prints, and leaves the docs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        SPLITS.update(synthetic_splits(SEED, Path(folder)))
    plan = [row for row in rows() if args.only in row.group]
    towers = TOWERS if not args.only else ()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        trained = pool.map(partial(_run, steps=args.steps), plan, chunksize=1)
        named = pool.map(partial(_run_towers, steps=args.tower_steps), towers, chunksize=1)
    tables = _method_table(plan, trained) + _tower_table(named)
    told = ", ".join(f"{name} {len(s.train)} / {len(s.test)}" for name, s in SPLITS.items())
    size = f"{BATCH} descriptions a step, {args.steps} steps ({args.tower_steps} for backbones); train / test: {told}"
    note = (
        f"Seed {SEED}; {size}; {os.cpu_count()} cores, one thread a row; {(time.monotonic() - started) / 60:.0f} min."
    )
    print(tables, note, sep="\n")
    if not args.only:
        head, _, rest = DOCS.read_text().partition("<!-- table -->\n")
        DOCS.write_text(f"{head}<!-- table -->\n{tables}\n{note}\n<!-- end -->{rest.partition('<!-- end -->')[2]}")


def _run(row: Row, steps: int) -> Figures:
    """Train and test one row."""
    split = SPLITS[row.split]
    if not row.steps:
        found = _figures(_Cosine(split), 0, 0.0, split)
    else:
        torch.manual_seed(SEED)
        model = build_method(row.method, *split.dims)
        if row.before:
            _train(model, replace(row, augmentation={}), SPLITS[row.before], steps)
        freeze(model, row.frozen)
        train_s = _train(model, row, split, max(1, round(steps * row.steps)))
        found = _figures(_Model(model, split), sum(p.numel() for p in model.parameters()), train_s, split)
    print(f"{row.group}: {row.name}: F1 {found.f1:.3f}, {found.train_s:.0f} s", flush=True)
    return found


def _train(model: nn.Module, row: Row, split: Split, steps: int) -> float:
    """Train in place; return the seconds it took."""

    def batches(step: int) -> Sequence[Sample]:
        return [split.train[i] for i in np.random.default_rng([SEED, step]).integers(len(split.train), size=BATCH)]

    chosen = augmented(batches, Augmenter(row.augmentation), SEED) if row.augmentation else batches
    options = TrainOptions(steps, SEED, eval_every=steps)
    start = time.perf_counter()
    task = AlignmentTask(split.calibration)
    Trainer(model, objective_for(model, row.losses), row.optimiser, chosen, task, options).fit()
    return time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Model:
    """A trained method: answers samples one at a time, as a daemon asks."""

    model: nn.Module
    split: Split

    @torch.no_grad()
    def __call__(self, sample: Sample) -> Outputs:
        batch, _ = collate([sample], self.split.calibration)
        outputs: Outputs = self.model.eval()(batch)
        return outputs


@dataclass(frozen=True, slots=True)
class _Cosine:
    """The similarity aligner, in the form of a method."""

    split: Split

    def __call__(self, sample: Sample) -> Outputs:
        track = SimilarityAligner(self.split.calibration).align(sample.window, [sample.query])[0]
        p = torch.from_numpy(track.p)[None].clamp(1e-6, 1 - 1e-6)
        half = torch.full((*p.shape, 2), 0.5)
        return Outputs(p.logit(), half, p, torch.from_numpy(track.shares)[None], torch.zeros(*p.shape, 1))


def _figures(answer: Callable[[Sample], Outputs], parameters: int, train_s: float, split: Split) -> Figures:
    """Place the threshold on ``tune``, measure on ``test``."""
    tuned = [(s, answer(s)) for s in split.tune]
    shift = max(SHIFTS, key=lambda x: (_f1(tuned, x), -abs(x)))
    tested, times = [], []
    for sample in split.test:
        start = time.perf_counter()
        tested.append((sample, answer(sample)))
        times.append(1000 * (time.perf_counter() - start))
    annotations = [annotation(i, s) for i, (s, _) in enumerate(tested)]
    events = [Prediction(i, tuple(_decided(s, o, shift))) for i, (s, o) in enumerate(tested)]
    guesses = [Prediction(i, tuple(ranked(o, 0, s.window.bounds))) for i, (s, o) in enumerate(tested)]
    report = evaluate(annotations, events)
    return Figures(
        f1=report.overall.events[0.5].f1 or 0.0,
        interval=f1_interval(report.overall),
        decided_map=report.overall.mean_ap or 0.0,
        ranked_map=evaluate(annotations, guesses).overall.mean_ap or 0.0,
        false_alerts=report.overall.events[ALERT_TIOU].false_alerts_per_query_hour or 0.0,
        parameters=parameters,
        ms=statistics.median(times),
        train_s=train_s,
    )


def _decided(sample: Sample, outputs: Outputs, shift: float) -> list[tuple[float, float, float]]:
    return decided(replace(outputs, foreground=outputs.foreground + float(shift)), 0, sample.window.bounds)


def _f1(answered: Sequence[tuple[Sample, Outputs]], shift: float) -> float:
    """Return the F1 of decided events at tIoU 0.5."""
    outcomes = [outcome(annotation(i, s), _decided(s, o, shift)) for i, (s, o) in enumerate(answered)]
    return figures(outcomes).events[0.5].f1 or 0.0


def _run_towers(plan: tuple[TowerOptions, tuple[str, ...]], steps: int) -> tuple[str, TowerFigures]:
    options, augmentations = plan
    found = train_towers(options, augmentations, steps, SEED)
    name = " + ".join((options.image, options.text, *augmentations))
    print(f"{name}: {found.known:.2f} known, {found.new:.2f} new, {found.train_s:.0f} s", flush=True)
    return name, found


def _method_table(plan: Sequence[Row], trained: Sequence[Figures]) -> str:
    head = "F1@0.5 (95 %) | mAP decided | mAP ranked | false alerts / query-hour"
    head += " | parameters | MB | ms a window | training s"
    lines = []
    for i, (row, f) in enumerate(zip(plan, trained, strict=True)):
        if not i or plan[i - 1].group != row.group:
            lines += ["", f"**{row.group}**", "", f"| | {head} |", "|---|" + "---:|" * 8]
        cells = (
            f"{f.f1:.3f} ({f.interval[0]:.2f}–{f.interval[1]:.2f})",
            f"{f.decided_map:.3f}",
            f"{f.ranked_map:.3f}" if row.steps and ("span" in row.losses or row.method.name == "moment_detr") else "–",
            f"{f.false_alerts:.1f}",
            f"{f.parameters:,}",
            f"{f.parameters * 4 / 1e6:.2f}",
            f"{f.ms:.1f}",
            f"{f.train_s:.0f}",
        )
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _tower_table(named: Sequence[tuple[str, TowerFigures]]) -> str:
    if not named:
        return ""
    head = "known captions | new combinations | parameters | MB | ms an image | training s"
    lines = ["", "**Own backbones**", "", f"| | {head} |", "|---|" + "---:|" * 6]
    for name, f in named:
        size = f"{f.parameters:,} | {f.parameters * 4 / 1e6:.1f}"
        lines.append(f"| {name} | {f.known:.2f} | {f.new:.2f} | {size} | {f.ms_per_image:.1f} | {f.train_s:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
