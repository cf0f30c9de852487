"""Cost and quality of the detectors: ``python -m tests.benchmarks.seeing.detectors [--photos TSV]``.

Printed as JSON. *cost*: median CPU milliseconds a frame of 448×256 on one thread, whole and by part. *photos*, for each
column of a table of judged photographs (yes, no; others are left out): average precision of the class in the frame,
recall at precision .95 and the logit there, precision and recall at the calibrated 0.
"""

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from workers.detectors.classes import NAMES
from workers.detectors.detector import Detectors, squash

SHORT, STEP = 256, 32  # pixels of a decoded frame's short side; sides are multiples of the step
ROUNDS = 15


def decoded(path: Path) -> np.ndarray:
    """Return a photograph as the product decodes it."""
    image = Image.open(path).convert("RGB")
    scale = SHORT / min(image.size)
    width, height = (max(SHORT, round(side * scale / STEP) * STEP) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def milliseconds(work: Callable[[], object], frames: int) -> float:
    """Return the median of the CPU time that a frame takes."""
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return round(1000 * statistics.median(times) / frames, 2)


def cost(detectors: Detectors, frames: np.ndarray) -> dict[str, float]:
    """Return milliseconds a frame of the whole and its parts."""
    small = np.stack([squash(f) for f in frames[:1]])
    return {
        "whole": milliseconds(lambda: detectors.detect(frames[:1]), 1),
        "resizing": milliseconds(lambda: squash(frames[0]), 1),
        "COCO": milliseconds(lambda: detectors._coco(small), 1),
        "Open Images": milliseconds(lambda: detectors._open_images(small), 1),
        "COCO, eight frames a pass": milliseconds(lambda: detectors._coco(np.repeat(small, 8, axis=0)), 8),
    }


def quality(true: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return average precision and recalls of scores f32[N] for truth bool[N] with at least one true."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(true[order])
    precision = hits / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= 0.95)
    last = enough[-1] if len(enough) else -1
    shown = scores > 0
    return {
        "pictures": int(true.sum()),
        "AP": round(float(precision[true[order]].mean()), 3),
        "recall at precision .95": round(float(hits[last] / true.sum()) if last >= 0 else 0.0, 3),
        "logit there": round(float(scores[order[last]]) if last >= 0 else float("nan"), 2),
        "precision at 0": round(float(true[shown].mean()) if shown.any() else float("nan"), 3),
        "recall at 0": round(float(shown[true].mean()), 3),
    }


def photographs(detectors: Detectors, table: Path) -> dict[str, dict[str, float]]:
    """Return the quality of every class that is a column of the table; files are relative to the folder above it."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    folder = table.parents[1]
    scores = np.stack([detectors.detect(decoded(folder / row["file"])[None])[0].scores for row in rows])
    found = {}
    for name in (n for n in NAMES if n in rows[0]):
        verdicts = np.array([row[name] for row in rows])
        judged = np.isin(verdicts, ["yes", "no"])
        found[name] = quality(verdicts[judged] == "yes", scores[judged, NAMES.index(name)])
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.seeing.detectors", description=__doc__)
    parser.add_argument("--photos", type=Path, help="table of judged photographs")
    paths = parser.parse_args()
    detectors = Detectors()
    frames = np.random.default_rng(0).integers(0, 256, (8, 256, 448, 3), dtype=np.uint8)
    figures: dict[str, object] = {"cost": cost(detectors, frames)}
    if paths.photos:
        figures["photos"] = photographs(detectors, paths.photos)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
