"""What one hop costs: ``python -m tests.benchmarks.speed.aligner_hop [--plot FILE.png]`` prints JSON.

One new clip in a full window of 75, an utterance every five seconds, a quarter of the events about what is said, the
rest about what is seen among 1000 names; scores and span tracking, on one core. CPU milliseconds are medians. Then the
cost of 1 to 8 cameras by 10 to 200 events, and how well a straight line through cameras × events tells it (R²). Then
the network alone, as ``workers/aligner_service`` runs it: what several cameras ask for, one by one and in one pass.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from alignment.aligners.base import Aligner
from alignment.aligners.similarity import SimilarityAligner
from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.aligners.trained.incremental import WindowDelta
from alignment.calibration import LITE_CALIBRATION
from alignment.spans.tracker import SpanRule, SpanTracker
from alignment.types import F32, EventQuery
from alignment.windows import WINDOW_CLIPS, ClipWindow

DIM, SENTENCE_DIM, NAMES = 385, 384, 1000
JOINED = ((2, 5), (8, 5), (32, 5), (8, 25))  # cameras, events each
CAMERAS, EVENTS = (1, 2, 4, 8), (10, 50, 100, 200)
BUDGET_MS = 20.0


def units(rng: np.random.Generator, n: int, d: int) -> F32:
    rows = rng.normal(size=(n, d)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def make_queries(rng: np.random.Generator, count: int) -> list[EventQuery]:
    names = units(rng, NAMES, DIM)
    unseen, unsaid, silent = np.zeros((0, DIM), np.float32), np.zeros((0, SENTENCE_DIM), np.float32), np.zeros(3)
    made = []
    for i in range(count):
        said = i % 4 == 3
        row = unseen if said else units(rng, 1, DIM)
        made.append(
            EventQuery(
                event=f"e{i}",
                vision=row,
                vision_unlike=unseen,
                speech=units(rng, 1, SENTENCE_DIM) if said else unsaid,
                speech_unlike=unsaid,
                sound=silent.astype(np.float32),
                prior=np.array([not said, said, False], np.float32),
                words=("a", "b", "c"),
                vision_words=unseen if said else units(rng, 3, DIM),
                speech_words=units(rng, 3, SENTENCE_DIM) if said else unsaid,
                vocabulary=names,
                likeness=np.clip((names @ row.T).max(axis=1, initial=0.0), 0, None),
            )
        )
    return made


class Camera:
    """A window, a scorer and its trackers, as in ``workers.decisions.segment``."""

    def __init__(self, aligner: Aligner, queries: list[EventQuery], seed: int) -> None:
        self.rng, self.t = np.random.default_rng(seed), 0.0
        self.window = ClipWindow(1.0, DIM, SENTENCE_DIM)
        self.scorer, self.lookahead = aligner.begin(queries), aligner.lookahead
        self.trackers = [SpanTracker(q.event, SpanRule(), None) for q in queries]
        self.shown = units(self.rng, 1, DIM)[0]

    def fill(self) -> None:
        """Fill the window, all at once, and let the trackers read it."""
        for _ in range(WINDOW_CLIPS):
            self.t += 1
            self.window.add_frame(self.t, self.shown)
        self.hop()

    def hop(self) -> tuple[float, float]:
        """Add a clip; return the CPU seconds of scoring and of all."""
        self.t += 1
        if self.rng.random() < 0.15:
            self.shown = units(self.rng, 1, DIM)[0]
        row, said = self.shown + 0.03 * units(self.rng, 1, DIM)[0], units(self.rng, 1, SENTENCE_DIM)[0]
        begun = time.thread_time()
        self.window.add_frame(self.t, row / np.linalg.norm(row))
        if self.t % 5 == 0:
            self.window.add_speech(self.t - 3.5, self.t, said)
        features = self.window.features()
        tracks = self.scorer.score(features, self.window.first)
        scored = time.thread_time()
        for tracker, track in zip(self.trackers, tracks, strict=True):
            tracker.update(track, self.window.first, len(self.window) - self.lookahead, self.t)
        self.window.trim()
        return scored - begun, time.thread_time() - begun


def measure(aligner: Aligner, queries: list[EventQuery], cameras: int, hops: int) -> tuple[float, float]:
    """Return the median CPU milliseconds a hop of all cameras: of scoring, and with span tracking."""
    watched = [Camera(aligner, queries, seed) for seed in range(cameras)]
    for camera in watched:
        camera.fill()
    times = [[camera.hop() for camera in watched] for _ in range(hops)]
    return tuple(float(x) for x in np.median(np.sum(times, axis=1), axis=0) * 1e3)  # type: ignore[return-value]  # two


def joined(aligner: CrossAttentionAligner, queries: list[EventQuery], cameras: int, hops: int) -> dict[str, float]:
    """Return the median CPU milliseconds of the network for a hop of all cameras, one by one and together."""
    rng, times = np.random.default_rng(0), []
    rows = units(rng, WINDOW_CLIPS + hops + 1, DIM)
    mask = np.ones(len(rows), bool)
    memories = [[aligner.remember(queries) for _ in range(cameras)] for _ in range(2)]
    for memory in [m for way in memories for m in way]:
        aligner.read([(memory, WindowDelta(0, rows[:WINDOW_CLIPS], mask[:WINDOW_CLIPS]))])
    for at in range(WINDOW_CLIPS - 1, WINDOW_CLIPS - 1 + hops):
        asked = WindowDelta(at, rows[at : at + 2], mask[at : at + 2])
        begun = time.thread_time()
        for memory in memories[0]:
            aligner.read([(memory, asked)])
        alone = time.thread_time()
        aligner.read([(memory, asked) for memory in memories[1]])
        times.append((alone - begun, time.thread_time() - alone))
    one_by_one, together = (float(x) for x in np.median(times, axis=0) * 1e3)
    ratio = round(one_by_one / together, 2)
    return {"one_by_one_ms": round(one_by_one, 2), "together_ms": round(together, 2), "ratio": ratio}


def line(x: list[float], y: list[float]) -> dict[str, float]:
    """Fit y = a + b·x."""
    slope, start = np.polyfit(x, y, 1)
    rest = np.var(np.asarray(y) - (start + slope * np.asarray(x)))
    return {
        "ms_per_camera_and_100_events": round(100 * float(slope), 2),
        "ms_at_none": round(float(start), 2),
        "r2": round(1 - float(rest / np.var(y)), 4),
    }


def draw(path: Path, points: dict[str, list[tuple[int, int, float]]], fits: dict[str, dict[str, float]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for name, found in points.items():
        x = [c * e for c, e, _ in found]
        axes.plot(x, [ms for *_, ms in found], "o", markersize=4, label=f"{name}, R² {fits[name]['r2']:.3f}")
        slope, start = fits[name]["ms_per_camera_and_100_events"] / 100, fits[name]["ms_at_none"]
        axes.plot([0, max(x)], [start, start + slope * max(x)], "-", color="grey", linewidth=0.8)
    axes.set(xlabel="cameras × events", ylabel="CPU ms a hop", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--hops", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = load_checkpoint(shipped_checkpoint())
    trained = CrossAttentionAligner(network, LITE_CALIBRATION)
    aligners: dict[str, Aligner] = {"cross_attention": trained, "similarity": SimilarityAligner(LITE_CALIBRATION)}
    queries = make_queries(np.random.default_rng(0), max(EVENTS))
    hop, fits, points = {}, {}, {}
    for name, aligner in aligners.items():
        scoring, whole = measure(aligner, queries[:100], 1, 5 * arguments.hops)
        hop[name] = {"scoring_ms": round(scoring, 2), "with_spans_ms": round(whole, 2)}
        points[name] = [(c, e, measure(aligner, queries[:e], c, arguments.hops)[1]) for c in CAMERAS for e in EVENTS]
        fits[name] = line([c * e for c, e, _ in points[name]], [ms for *_, ms in points[name]])
    if arguments.plot:
        draw(arguments.plot, points, fits)
    found = {n: [(c, e, round(ms, 2)) for c, e, ms in p] for n, p in points.items()}
    together = {f"{c} x {e}": joined(trained, queries[:e], c, 3 * arguments.hops) for c, e in JOINED}
    report = {"hop_100_events": hop, "budget_ms": BUDGET_MS, "linear": fits, "cameras_events_ms": found}
    print(json.dumps(report | {"network_of_cameras_x_events": together}))


if __name__ == "__main__":
    main()
