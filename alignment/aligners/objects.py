"""Detected objects as a sign of an event: how probable it is, clip by clip, that what a description names is there.

Both aligners join this sign to that of the frames' features (``join``), so that an event has one probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alignment.types import F32, F64, Bools, Counted, Detections, EventQuery, FeatureWindow, ObjectQuery

SEEN = 0.6  # the probability at which an object is seen, where the detector's calibrated logit is 0
OFFSET = 0.405  # the logit of ``SEEN``
# Scores are smoothed on a flatter scale, on which one frame with a sure object between two without is still seen.
FLATTER, LOWER = 1.6, -0.6
# What is added to the logit of the n-th object. Two people often hide each other, so the second may be less sure; from
# five on it must be a little surer. Measured for two and five; three and four lie between.
MORE = {1: 0.0, 2: 1.44, 3: 1.0, 4: 0.5}
MANY = -0.16
COLOURS_AT = 6  # column of the first colour
COLOURED = 0.08  # share of a red car's box that is red at least
# By how much of cosine a frame may look more like another kind of animal than like that of a detected one, the logits
# that a cosine of 1 beyond that takes, and how many at most: a frame shows more than its animal (ADR 59).
FREE, STEEP, MOST = 0.05, 15.0, 4.0
FAINT = 1.5  # below the logit of a detected object is one that the look of the frame can confirm
KERNEL = (0.25, 0.5, 0.25)  # over three clips: an object is missed in single frames, and seen falsely in others


@dataclass(frozen=True, slots=True)
class _Window:
    """The detections of a window. ``present`` bool[T]: a frame was seen. ``alike`` f32[T, A]: to kinds of animals."""

    detections: Detections
    present: Bools
    alike: F32

    def seen(self, counted: Counted) -> F32:
        """Return f32[T]: the probability that enough objects are there, 0 without a frame."""
        found = np.isin(self.detections[..., 0], counted.classes)  # [T, M]
        if counted.colour is not None:
            found &= self.detections[..., COLOURS_AT + counted.colour] >= COLOURED
        logits = np.where(found, self.detections[..., 1], -np.inf).astype(np.float64)
        if logits.shape[1] < counted.count:
            return np.zeros(len(logits), np.float32)
        nth = -np.partition(-logits, counted.count - 1, axis=1)[:, counted.count - 1] - self._mistaken(counted.kinds)
        return probability(_smooth(nth + MORE.get(counted.count, MANY) + counted.ease, self.present), self.present)

    def _mistaken(self, kinds: tuple[int, ...]) -> F64:
        """Return f64[T], logits: what frames lose that look like another kind of animal than ``kinds``."""
        if not kinds:
            return np.zeros(len(self.present))
        nearer = np.delete(self.alike, kinds, axis=1).max(axis=1) - self.alike[:, kinds].max(axis=1)
        return np.asarray(np.clip(STEEP * (nearer - FREE), 0, MOST), np.float64)

    def score(self, query: ObjectQuery, by_features: F32) -> tuple[F32, Bools]:
        """Return f32[T], the probability of a description, and bool[T], where its ``place`` shows itself.

        ``by_features`` f32[T]: its probability by the frames' features alone.
        """
        each = [self.seen(counted) for counted in query.wanted]
        seen = np.maximum.reduce(each) if query.absent else np.minimum.reduce(each)
        if query.veto:
            by_features = by_features * (1 - self.seen(Counted(query.veto)))
        if query.frames == "either":
            seen = 1 - (1 - seen) * (1 - by_features)
        elif query.frames == "confirm":
            faint = [self.seen(replace(counted, ease=counted.ease + FAINT)) for counted in query.wanted]
            seen = np.maximum(seen, np.minimum(np.minimum.reduce(faint), by_features))
        elif query.frames == "both":
            seen = np.minimum(seen, by_features)
        if query.absent:
            shown = np.maximum(self.seen(Counted(query.place)), by_features)
            return np.where(self.present, 1 - seen, 0), shown >= SEEN
        return seen, self.seen(Counted(query.place)) >= SEEN


class ObjectSigns:
    """The signs of one sliding window's queries. It remembers which objects the camera has shown."""

    def __init__(self, queries: Sequence[EventQuery]) -> None:
        self._asked = [(i, objects) for i, q in enumerate(queries) if any(q.objects) for objects in q.objects]
        self._animals = next((q.animals for q in queries if len(q.animals)), None)  # the same of all that have some
        self._first = 0  # number of the first clip of ``_shown`` and ``_found``
        self._found: F32 = np.zeros((0, len(self._asked)), np.float32)  # at each clip of the last window
        self._shown: Bools = np.zeros((0, len(self._asked)), bool)  # at each clip of the last window: shown so far
        self._before: Bools = np.zeros(len(self._asked), bool)  # before that window

    def join(self, p: F32, window: FeatureWindow, first: int) -> F32:
        """Return f32[T, Q]: ``p`` by the frames' features, joined with what is detected. ``first``: see ``Scorer``.

        Of several paraphrases the most probable counts.
        """
        if window.detections is None or not self._asked:
            return p
        animals, frames = self._animals, np.nan_to_num(window.frames)
        alike = frames[:, :0] if animals is None else np.asarray(frames @ animals.T)
        view = _Window(window.detections, window.frame_mask, alike)
        found = np.zeros((len(p), len(self._asked)), np.float32)
        places = np.zeros(found.shape, bool)
        for a, (i, objects) in enumerate(self._asked):
            found[:, a], places[:, a] = (p[:, i], False) if objects is None else view.score(objects, p[:, i])
        found = self._with_edge(found, first)
        found = np.where(self._allowed(places, first), found, 0)
        joined = p.copy()
        for i in {i for i, _ in self._asked}:
            joined[:, i] = found[:, [a for a, (j, _) in enumerate(self._asked) if j == i]].max(axis=1)
        return joined

    def _with_edge(self, found: F32, first: int) -> F32:
        """Return ``found`` with the first clip as it was while the window still had the clip before it."""
        slid = first - self._first
        if first and len(found) and slid < len(self._found):
            found[0] = self._found[slid]
        self._found = found
        return found

    def _allowed(self, places: Bools, first: int) -> Bools:
        """Return bool[T, A]: where each may happen, by what the camera has shown up to each clip."""
        if gone := min(first - self._first, len(self._shown)):
            self._before = self._shown[gone - 1]
        self._first, self._shown = first, np.logical_or.accumulate(places, axis=0) | self._before
        elsewhere = np.array([o is not None and o.elsewhere for _, o in self._asked])
        free = np.array([o is None or not o.place for _, o in self._asked])
        return np.asarray(free | (self._shown ^ elsewhere))


def least_logit(query: ObjectQuery, counted: Counted, p: float) -> float:
    """Return the logit that the last counted object of a frame must have for a probability of at least ``p``.

    It is that of the clip's frame or of one beside it, as ``_smooth`` never exceeds the highest of the three.
    """
    faint = FAINT if query.frames == "confirm" else 0.0
    return float(np.log(p / (1 - p))) - OFFSET - MORE.get(counted.count, MANY) - counted.ease - faint


def object_probability(logit: float) -> float:
    """Return the probability of one object by the calibrated logit of its score."""
    return float(1 / (1 + np.exp(-np.clip(logit + OFFSET, -30, 30))))


def probability(seen: F32, present: Bools) -> F32:
    """Return f32[T]: the event's probability for smoothed scores ``seen`` 0 to 1."""
    clipped = np.clip(seen, 1e-6, 1 - 1e-6)
    logit = FLATTER * (np.log(clipped / (1 - clipped)) - LOWER)
    return np.asarray(np.where(present, 1 / (1 + np.exp(-(logit + OFFSET))), 0), np.float32)


def _smooth(logits: F64, present: Bools) -> F32:
    """Return f32[T]: the mean score of each clip and its neighbours, as far as they have frames.

    One neighbour alone does not raise a clip's own score, or events would grow at both ends.
    """
    score = np.where(present, 1 / (1 + np.exp(-np.clip(logits / FLATTER + LOWER, -30, 30))), 0)
    around = slice(len(KERNEL) // 2, len(KERNEL) // 2 + len(score))  # "same" is longer than a window of one clip
    weight = np.convolve(present.astype(np.float32), KERNEL)[around]
    mean = np.convolve(score, KERNEL)[around] / np.maximum(weight, 1e-6)
    beside = np.pad(score, 1)
    return np.asarray(np.minimum(mean, np.maximum(score, np.minimum(beside[:-2], beside[2:]))), np.float32)
