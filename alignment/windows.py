"""The sliding window of one segment: its last clips with their frames, utterances and sound events."""

from bisect import bisect
from copy import copy
from dataclasses import dataclass

import numpy as np

from alignment.types import F32, F64, SOUND_CLASSES, Bools, Detections, FeatureWindow

ROUNDING_S = 1e-3  # of time stamps in thousandths
WINDOW_CLIPS = 75  # the length moment-retrieval models are trained on (QVHighlights: 150 s in clips of 2 s)


@dataclass(slots=True)
class _Clip:
    t: float
    frame: F32 | None
    detections: Detections | None = None


def clip_bounds(t: F64, hop_s: float, reach_s: float, begin: float = -np.inf, limit: float = np.inf) -> F64:
    """Return f64[T, 2]: where clips at times f64[T] begin and end, between ``begin`` and ``limit``, stream seconds."""
    if not len(t):
        return np.zeros((0, 2))
    mid, half = (t[1:] + t[:-1]) / 2, hop_s / 2
    start = np.maximum(np.concatenate([[t[0] - half], mid]), t - reach_s)
    end = np.minimum(np.concatenate([mid, [t[-1] + half]]), t + reach_s)
    start = np.minimum(np.maximum(start, begin), limit)
    return np.stack([start, np.clip(end, start, max(limit, begin))], axis=1)


class ClipWindow:
    """A sliding window of at most ``size`` clips: one clip per sampled frame, or one per hop where there is only audio.

    A clip extends half-way to its neighbours, but at most one hop, or ``reach_s`` if that is longer. ``first`` is the
    number of clips that have left the window. A clip keeps its number (``first`` + position); only the empty clips
    after the latest frame can be renumbered, because late frames are inserted among them. ``stands``: a frame stays
    valid until the next one, so a long time without frames means that nothing changed.
    """

    def __init__(
        self,
        hop_s: float,
        frame_dim: int,
        sentence_dim: int,
        size: int = WINDOW_CLIPS,
        reach_s: float = 0.0,
        stands: bool = False,
    ) -> None:
        self.hop_s = hop_s
        self._still_s = 2 * hop_s + ROUNDING_S if stands else float("inf")  # clips nearer than this touch each other
        self._reach_s = max(hop_s, reach_s)
        self.first = 0
        self._size = size
        self._dims = (frame_dim, sentence_dim)
        self._clips: list[_Clip] = []
        self._speech: list[tuple[float, float, F32]] = []
        self._sound: list[tuple[float, float, F32]] = []
        self._sounds_gone = 0
        self._highest: dict[tuple[int, int], F32] = {}  # of the sounds with these numbers: clips keep theirs for long
        self._origin: float | None = None
        self._limit = float("inf")
        self._seen_until = float("-inf")  # the time of the latest frame
        self._shown: tuple[F32, Detections | None] | None = None  # that frame

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def last_t(self) -> float:
        """Return the newest clip's time, stream seconds; minus infinity while empty."""
        return self._clips[-1].t if self._clips else float("-inf")

    def unseen(self) -> "ClipWindow":
        """Return a window of the same clips and the same audio in which no frame can be read (they are not finite).

        It is for a part of the frame that is watched only from now on.
        """
        other = copy(self)
        nothing = np.full(self._dims[0], np.nan, np.float32)
        other._clips = [_Clip(c.t, None if c.frame is None else nothing) for c in self._clips]
        other._speech, other._sound = [*self._speech], [*self._sound]
        other._shown = None
        return other

    def limit(self, end_s: float) -> None:
        """Cut clips at ``end_s``, the end of the media in stream seconds."""
        self._limit = end_s

    def add_frame(self, t: float, feature: F32, detections: Detections | None = None) -> bool:
        """Add a frame f32[D] with its objects f32[M, 8]; return False if it is too late.

        It is too late if its time lies before the window, or is not later than that of the last frame.

        If audio has already created empty clips, the frame fills the nearest one within half a hop, and that clip
        moves to the frame's time; otherwise a new clip is inserted among the empty ones. With ``stands``, the frame
        before it is first repeated at every hop up to ``t``.
        """
        since, shown = self._seen_until, self._shown
        if shown is not None and t - since > self._still_s:
            for i in range(1, int((t - since) / self.hop_s - 0.5) + 1):
                self._show(since + i * self.hop_s, *shown)
        return self._show(t, feature, detections)

    def fill_until(self, end_s: float) -> None:
        """Append clips without frames, one per hop, that end by ``end_s`` (audio without frames)."""
        t = self.last_t + self.hop_s if self._clips else (self._origin or 0.0)
        while t + self.hop_s / 2 <= end_s:
            self.start_at(t)
            self._clips.append(_Clip(t, None))
            t += self.hop_s

    def start_at(self, t: float) -> None:
        """Set the start of the segment, stream seconds: no clip starts earlier. Later calls do nothing."""
        if self._origin is None:
            self._origin = t

    def add_speech(self, start_s: float, end_s: float, feature: F32) -> None:
        """Add an utterance."""
        self._speech.append((start_s, end_s, feature))

    def add_sound(self, t: F64, p: F32) -> None:
        """Add probabilities of the classes of sound: times [N, 2] in stream seconds, rising, and p [N, K]."""
        self._sound += [(float(s), float(e), row) for (s, e), row in zip(t, p, strict=True)]

    def trim(self) -> None:
        """Remove clips beyond the window's size, and utterances and sound events before them."""
        gone = max(0, len(self._clips) - self._size)
        if not gone:
            return
        del self._clips[:gone]
        self.first += gone
        begin = self._clips[0].t - self._reach_s
        self._speech = [x for x in self._speech if x[1] > begin]
        kept = [x for x in self._sound if x[1] > begin]
        self._sounds_gone += len(self._sound) - len(kept)
        self._sound = kept

    def features(self) -> FeatureWindow:
        """Return the window as arrays."""
        bounds = self._bounds()
        frames = np.zeros((len(self._clips), self._dims[0]), np.float32)
        mask = np.zeros(len(self._clips), bool)
        for i, clip in enumerate(self._clips):
            if clip.frame is not None:
                frames[i], mask[i] = clip.frame, True
        spoken = [f for *_, f in self._speech]
        sound, sound_mask = self._sound_on(bounds)
        return FeatureWindow(
            bounds=bounds,
            frames=frames,
            frame_mask=mask,
            speech=np.stack(spoken) if spoken else np.zeros((0, self._dims[1]), np.float32),
            speech_t=np.array([x[:2] for x in self._speech], np.float64).reshape(-1, 2),
            sound=sound,
            sound_mask=sound_mask,
            detections=self._detections(),
        )

    def _show(self, t: float, feature: F32, detections: Detections | None) -> bool:
        if t <= self._seen_until or (self.first and t < self._clips[0].t - self.hop_s / 2):
            return False
        self.start_at(t)
        self._seen_until, self._shown = t, (feature, detections)
        at = bisect(self._clips, t, key=lambda c: c.t)  # what lies behind is empty
        near = [c for c in self._clips[max(0, at - 1) : at + 1] if c.frame is None and abs(c.t - t) <= self.hop_s / 2]
        if near:
            clip = min(near, key=lambda c: abs(c.t - t))
            clip.t, clip.frame, clip.detections = t, feature, detections
        else:
            self._clips.insert(at, _Clip(t, feature, detections))
        return True

    def _bounds(self) -> F64:
        t = np.array([c.t for c in self._clips], np.float64)
        begin = self._origin if self._origin is not None else -np.inf
        return clip_bounds(t, self.hop_s, self._reach_s, begin, self._limit)

    def _detections(self) -> Detections | None:
        """Return f32[T, M, 8], without objects where a clip has none; None: no frame has been given with objects."""
        shape = next((c.detections.shape for c in self._clips if c.detections is not None), None)
        if shape is None:
            return None
        nothing = np.full(shape, -np.inf, np.float32)
        return np.stack([nothing if c.detections is None else c.detections for c in self._clips])

    def _sound_on(self, bounds: F64) -> tuple[F32, Bools]:
        """Return the highest probabilities of the classes of sound within each clip, and where there were any."""
        out = np.zeros((len(bounds), SOUND_CLASSES), np.float32)
        mask: Bools = np.zeros(len(bounds), bool)
        if self._sound:
            t, rows = np.array([x[:2] for x in self._sound]), [row for *_, row in self._sound]  # rising
            first, after = np.searchsorted(t[:, 1], bounds[:, 0], "right"), np.searchsorted(t[:, 0], bounds[:, 1])
            mask = np.asarray(after > first)
            known, self._highest = self._highest, {}
            for i in np.flatnonzero(mask).tolist():
                numbers = self._sounds_gone + int(first[i]), self._sounds_gone + int(after[i])
                row = known.get(numbers)
                row = np.maximum.reduce(rows[first[i] : after[i]]) if row is None else row
                out[i] = self._highest[numbers] = row
        return out, mask
