"""Validation of a method on held-out examples: loss, F1 of clips, and F1 of events.

An event is a run of clips with p ≥ 0.5; it is correct if its tIoU with a true window is at least 0.5. Early stopping
uses these metrics; ``alignment.evaluation`` measures the daemon's own decisions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from alignment.aligners.trained.batches import Outputs, Sample, Targets, collate
from alignment.calibration import SimilarityCalibration
from alignment.evaluation.annotations import ScoredWindow
from alignment.evaluation.matching import match, overlaps
from alignment.training.losses import TotalAndParts, foreground_clips
from alignment.types import F32, F64, Bools

BATCH = 64
TIOU = 0.5


@dataclass(frozen=True, slots=True)
class Validation:
    """Measures a model on ``samples``, on the model's device; callable."""

    samples: Sequence[Sample]
    criterion: Callable[[Outputs, Targets], TotalAndParts]
    calibration: SimilarityCalibration

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        """Return ``loss``, ``clip_f1``, ``f1`` (of events), ``precision``, ``recall`` and ``strays``.

        ``strays`` is the mean number of events predicted in samples without a true window.
        """
        losses, clips, events, strays, absent = [], np.zeros(3), np.zeros(3), 0, 0
        for samples, loss, p, truth in self._predictions(model):
            losses.append(loss * len(samples))
            for sample, p_row, true_row in zip(samples, p, truth, strict=True):
                row = p_row[: len(sample.window.bounds)]
                clips += _clip_counts(row, true_row[: len(row)])
                found = runs(row, sample.window.bounds)
                events += _event_counts(found, sample.relevant)
                absent += not len(sample.relevant)
                strays += 0 if len(sample.relevant) else len(found)
        precision, recall, f1 = _scores(events)
        return {
            "loss": sum(losses) / max(1, len(self.samples)),
            "clip_f1": _scores(clips)[2],
            "f1": f1,
            "precision": precision,
            "recall": recall,
            "strays": strays / max(1, absent),
        }

    def _predictions(self, model: nn.Module) -> Iterator[tuple[Sequence[Sample], float, F32, Bools]]:
        """Yield batches of samples with their loss, p f32[B, T] and truth bool[B, T]."""
        device = next(model.parameters()).device
        for i in range(0, len(self.samples), BATCH):
            samples = self.samples[i : i + BATCH]
            batch, targets = collate(samples, self.calibration)
            with torch.no_grad():
                outputs = model(batch.to(device))
                total, _ = self.criterion(outputs, targets.to(device))
            p = outputs.foreground.float().sigmoid().cpu().numpy()
            yield samples, float(total), p, foreground_clips(targets).numpy()


def runs(p: F32, bounds: F64) -> list[ScoredWindow]:
    """Return the runs of clips with p ≥ 0.5 as (start, end, mean p), the most probable first."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], p >= 0.5, [0]])))
    found = [
        (float(bounds[a, 0]), float(bounds[b - 1, 1]), float(p[a:b].mean()))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    return sorted(found, key=lambda w: -w[2])


def _clip_counts(p: F32, truth: Bools) -> F64:
    return np.array([((p >= 0.5) & truth).sum(), (p >= 0.5).sum(), truth.sum()], np.float64)


def _event_counts(found: Sequence[ScoredWindow], relevant: F64) -> F64:
    truths = [(float(a), float(b)) for a, b in relevant]
    return np.array([len(match(overlaps(found, truths), TIOU)), len(found), len(truths)], np.float64)


def _scores(counts: F64) -> tuple[float, float, float]:
    """Return precision, recall and F1 from the counts found, predicted and true; 0 where one is undefined."""
    found, predicted, true = map(float, counts)
    return found / max(1.0, predicted), found / max(1.0, true), 2 * found / max(1.0, predicted + true)
