"""Which clips could matter: those whose probability may reach a floor, below which no decision changes.

Each modality is bounded from above on whole columns: by objects with the least logit that could do, by sounds, by where
something is said, and by the look of frames, which is computed for all of them (``look``). The bounds hold for every
window that a clip is in; ``tests/daemon/backtest/test_screen.py`` holds them against the aligners.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alignment.aligners.objects import COLOURED, least_logit
from alignment.aligners.steady import GONE, KEPT
from alignment.calibration import Platt
from alignment.types import F32, F64, Bools, Counted, EventQuery, ObjectQuery
from daemon.backtest.deciding.flat import EMPTY, I64, FlatStream, SegmentClips
from daemon.backtest.parts import SOUND, SPEECH, VISION

BESIDE_S = 5.0  # how far a clip reaches at most from its time
LEAST = 1e-4  # what probabilities of the same clip differ by, where sums have another order

Looks = Callable[[I64], F32]
"""From clips, by number and rising, to an upper bound f32 of their probability by the look of their frames."""


def needs_look(query: EventQuery) -> bool:
    """Return whether the features of frames have a say."""
    return (
        not any(query.objects)
        or query.animals.size > 0
        or any(o is None or o.absent or o.frames != "ignore" for o in query.objects)
    )


@dataclass(frozen=True, slots=True)
class Screen:
    """Bounds for one query. ``sound``: the curve of the aligner. ``floor``: the lowest probability that matters."""

    query: EventQuery
    sound: Platt
    floor: float

    @property
    def least(self) -> float:
        """Return what one modality must reach at least for all together to reach the floor."""
        modalities = int((self.query.prior > 0).sum())
        return float(1 - (1 - self.floor) ** (1 / max(1, modalities))) - LEAST

    def could(self, stream: FlatStream, clips: SegmentClips, looks: Looks) -> Bools:
        """Return bool[C]: which clips of a segment could reach the floor."""
        found = np.zeros(len(clips.t), bool)
        if self.query.prior[VISION]:
            found |= self._seen(stream, clips, looks)
        if self.query.prior[SOUND] and self.query.sound.any():
            found |= self._near(clips, self._sounds(stream))
        if self.query.prior[SPEECH]:
            found |= self._near(clips, _said(stream))
        return found

    def _seen(self, stream: FlatStream, clips: SegmentClips, looks: Looks) -> Bools:
        query, least = self.query, self.least / float(self.query.prior[VISION])
        if least >= 1:
            return np.zeros(len(clips.t), bool)
        every = np.arange(len(clips.t))
        if not any(query.objects):
            return _held(looks(every), least)
        found = np.zeros(len(clips.t), bool)
        for asked in query.objects:
            if asked is None or (asked.frames == "either" and not asked.absent):
                found |= np.asarray(looks(every) >= least)
            if asked is not None and asked.absent:
                found[:] = True
            elif asked is not None:
                found |= self._objects(stream, clips, asked, least)
        return found

    def _objects(self, stream: FlatStream, clips: SegmentClips, asked: ObjectQuery, least: float) -> Bools:
        """Return bool[C]: where each of the wanted objects is in the frame, or in one beside it."""
        wanted = [_frames_with(stream, counted, least_logit(asked, counted, least)) for counted in asked.wanted]
        framed = clips.frame_of != EMPTY
        found = np.ones(len(clips.t), bool)
        for seen in wanted:
            here = np.zeros(len(clips.t), bool)
            here[framed] = seen[clips.frame_of[framed]]
            found &= _widened(here)
        return found

    def _sounds(self, stream: FlatStream) -> F64:
        """Return f64[n, 2]: when a sound could be heard that is asked for."""
        needed = min(self.least / float(self.query.prior[SOUND]), 1 - 1e-9)
        x = self.sound.midpoint + float(np.log(needed / (1 - needed))) / self.sound.scale
        found = []
        for part in stream.parts:
            sounds = part.shard.sounds
            loud = self.query.sound[sounds.classes] * sounds.p >= x - LEAST
            found.append(np.column_stack([sounds.start[loud], sounds.end[loud]]))
        if x <= LEAST:  # silence would do
            return np.array([[-np.inf, np.inf]])
        return np.concatenate(found)

    def _near(self, clips: SegmentClips, spans: F64) -> Bools:
        """Return bool[C]: which clips may touch any of the spans f64[n, 2], stream seconds."""
        found = np.zeros(len(clips.t) + 1, np.int64)
        begins = np.searchsorted(clips.t, spans[:, 0] - BESIDE_S)
        ends = np.searchsorted(clips.t, spans[:, 1] + BESIDE_S)
        np.add.at(found, begins, 1)
        np.add.at(found, ends, -1)
        return np.asarray(found.cumsum()[:-1] > 0)


def _said(stream: FlatStream) -> F64:
    """Return f64[n, 2]: when something is said."""
    columns = [part.shard.columns for part in stream.parts]
    return np.concatenate([np.column_stack([c["said_start"], c["said_end"]]) for c in columns])


def _frames_with(stream: FlatStream, counted: Counted, logit: float) -> Bools:
    """Return bool[N]: which frames show enough objects of at least this logit."""
    found, classes = np.zeros(len(stream.t), bool), np.zeros(256, bool)
    classes[list(counted.classes)] = True
    for k, part in enumerate(stream.parts):
        columns, (first, end) = part.shard.columns, stream.rows[k]
        rows = np.flatnonzero(classes[columns["object_class"]])
        rows = rows[columns["object_logit"][rows].astype(np.float32) >= logit - 1e-2]
        if counted.colour is not None:
            rows = rows[columns["object_colours"][rows, counted.colour] / np.float32(255) >= COLOURED]
        frames = np.searchsorted(np.cumsum(columns["objects"], dtype=np.int64), rows, "right")
        counts = np.bincount(frames, minlength=end)[first:end]
        found[stream.frame_offsets[k] : stream.frame_offsets[k + 1]] = counts >= counted.count
    return found


def _widened(found: Bools) -> Bools:
    """Return where it is true, and beside."""
    padded = np.pad(found, 1)
    return np.asarray(padded[:-2] | padded[1:-1] | padded[2:])


def _held(p: F32, least: float) -> Bools:
    """Return bool[C]: where a probability may reach ``least`` while a still picture holds it (``steady``)."""
    found, held, before = p >= least, 0.0, -2
    candidates = np.flatnonzero(p >= GONE * least)
    for i, now in zip(candidates.tolist(), p[candidates].tolist(), strict=True):
        last = held if i == before + 1 else 0.0
        held = max(now, KEPT * last if now >= GONE * last else 0.0)
        found[i], before = held >= least, i
    return np.asarray(found)
