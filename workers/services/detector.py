"""The detector service of a process: finds objects in frames of all streams, for those whose events name objects."""

from concurrent.futures import Future

import numpy as np

from alignment.types import DETECTED_COLOURS, F32, Detections
from workers.detectors.classes import COLOURED
from workers.detectors.colour_share import colour_shares
from workers.detectors.detector import Detections as FrameDetections
from workers.detectors.detector import Detectors
from workers.items import MOST_OBJECTS
from workers.models.device import lasting
from workers.services.batcher import BatcherSnapshot, FrameBatcher
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext
from workers.types import U8

BATCH = 8  # frames of a pass


class DetectorService:
    """The detectors behind every ``DetectorClient`` of a process; thread-safe."""

    def __init__(self) -> None:
        self._detectors = Detectors()
        self._batcher = FrameBatcher(self._detect, max_frames=BATCH)

    def detect(self, frames: U8, context: RequestContext = DEFAULT_CONTEXT) -> "Future[Detections]":
        """Find objects in RGB frames u8[N, H, W, 3] as f32[N, M, 8]; may be dropped as frames of the encoder are."""
        return self._batcher.submit(frames, context)

    def snapshot(self) -> BatcherSnapshot:
        """Return the counters."""
        return self._batcher.snapshot()

    def close(self, timeout_s: float | None = None) -> None:
        """Finish all requests and stop; wait ``timeout_s`` seconds at most."""
        self._batcher.close(timeout_s)

    def _detect(self, frames: U8) -> F32:
        with lasting("the object detectors"):
            found = self._detectors.detect(frames)
            return np.stack([coloured(rows_of(f), frame) for f, frame in zip(found, frames, strict=True)])


def rows_of(found: FrameDetections) -> Detections:
    """Return the surest objects as rows f32[M, 8]; the best of a class has the frame's score of that class."""
    rows = np.column_stack([found.classes, found.logits, found.boxes])
    classes, best = np.unique(found.classes, return_index=True)  # boxes are in order, the best first
    rows[best, 1] = np.maximum(rows[best, 1], found.scores[classes])
    kept = rows[np.argsort(-rows[:, 1], kind="stable")[:MOST_OBJECTS]]
    padded = np.full((MOST_OBJECTS, 8), -np.inf, np.float32)
    padded[: len(kept), : kept.shape[1]] = kept
    return padded


def coloured(rows: Detections, frame: U8) -> Detections:
    """Return rows with the shares of ``DETECTED_COLOURS`` in the boxes of vehicles, and 0 for other objects."""
    rows[:, 6:] = 0
    vehicles = np.flatnonzero(np.isfinite(rows[:, 1]) & np.isin(rows[:, 0], COLOURED))
    rows[vehicles, 6:] = colour_shares(frame, rows[vehicles, 2:6], DETECTED_COLOURS)
    return rows
