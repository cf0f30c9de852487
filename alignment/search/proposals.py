"""Which stored rows may show what a query asks for: cheap scores of all rows, before an aligner reads the best.

Frames have two scores: by their look, a cosine, and by the objects that were detected in them. Which of the two counts
follows the query's ``ObjectQuery``, as it does in the decision.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.objects import COLOURED, FAINT, OFFSET
from alignment.search.embedding_store import I8
from alignment.search.scan import best_products
from alignment.types import F32, Counted, EventQuery, ObjectQuery

GATE = -2 * FAINT  # of an object's logit: a look that must agree with an object counts where one is that probable
ABSENT = -np.inf


@dataclass(frozen=True, slots=True)
class StoredObjects:
    """The objects of N frames: how many each has, and of each its class, its logit, its shares of colours (0 to 1)."""

    counts: NDArray[np.uint8]  # [N]
    classes: NDArray[np.uint8]  # [R]
    logits: NDArray[np.float16]  # [R]
    colours: F32  # [R, 2]

    def logits_of(self, wanted: Counted) -> F32:
        """Return f32[N]: the logit of the n-th surest object that counts, minus infinity where there are fewer."""
        counted = np.zeros(256, bool)
        counted[list(wanted.classes)] = True
        chosen = counted[self.classes]
        if wanted.colour is not None:
            chosen &= self.colours[:, wanted.colour] >= COLOURED
        rows = np.flatnonzero(chosen)
        logits = self.logits[rows].astype(np.float32) + np.float32(wanted.ease)
        frames = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)[rows]
        if wanted.count > 1:
            order = np.lexsort((-logits, frames))
            frames, logits = frames[order], logits[order]
        first = np.flatnonzero(np.diff(frames, prepend=-1))  # of each frame with such an object
        out = np.full(len(self.counts), ABSENT, np.float32)
        if wanted.count == 1 and len(first):
            out[frames[first]] = np.maximum.reduceat(logits, first)
        else:
            enough = np.diff(np.append(first, len(frames))) >= wanted.count
            out[frames[first[enough]]] = logits[first[enough] + wanted.count - 1]
        return out


@dataclass(frozen=True, slots=True)
class SeenScores:
    """Scores of N frames: ``look`` f32[N], the best cosine that counts, and ``objects`` f32[N], a probability.

    Minus infinity where a score says nothing.
    """

    look: F32
    objects: F32


def seen_scores(frames: I8, scale: F32, objects: StoredObjects | None, query: EventQuery) -> SeenScores:
    """Return the scores of frames, ``frames · scale``, for the visual part of a query.

    ``objects``: None where no detector ran: then looks alone count, as in the decision.
    """
    asked = query.objects if objects is not None and any(query.objects) else (None,) * len(query.vision)
    look = np.full(len(frames), ABSENT, np.float32)
    by_objects = look.copy()
    free = [i for i, o in enumerate(asked) if o is None or (o.frames == "either" and not o.absent)]
    if free:
        look = best_products(frames, scale, query.vision[free])
    for i, wanted in enumerate(asked):
        if wanted is None or objects is None:
            continue
        logits = _logits(objects, wanted)
        if wanted.frames in ("both", "confirm"):
            near = _near(logits >= GATE)
            gated = np.where(near, best_products(frames, scale, query.vision[i : i + 1]), ABSENT)
            look = np.fmax(look, gated)
        if wanted.frames != "both":
            by_objects = np.fmax(by_objects, 1 / (1 + np.exp(-(logits + np.float32(OFFSET)))))
    readable = np.isfinite(scale)
    return SeenScores(np.where(readable, look, ABSENT), np.where(readable, by_objects, ABSENT))


def _logits(objects: StoredObjects, wanted: ObjectQuery) -> F32:
    """Return f32[N]: how surely all of the objects are seen or, of absent ones, how surely none is."""
    each = [objects.logits_of(counted) for counted in wanted.wanted]
    if wanted.absent:
        return np.asarray(-np.maximum.reduce(each), np.float32)
    return np.asarray(np.minimum.reduce(each), np.float32)


def _near(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return bool[N]: where a frame or one beside it is."""
    beside = np.pad(seen, 1)
    return np.asarray(beside[:-2] | beside[1:-1] | beside[2:])
