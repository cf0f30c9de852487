"""The last clips of one epoch with everything seen, said and heard in them, ready for an aligner."""

from bisect import bisect
from dataclasses import dataclass

import numpy as np

from alignment.types import F32, F64, SOUND_TAGS, Bools, FeatureWindow

ROUNDING_S = 1e-3  # of time stamps in thousandths
WINDOW_CLIPS = 75  # the length moment-retrieval models are trained on (QVHighlights: 150 s in clips of 2 s)


@dataclass(slots=True)
class _Clip:
    t: float
    frame: F32 | None


class ClipWindow:
    """A sliding window of at most ``size`` clips, one a sampled frame, or one a hop where there is only sound.

    A clip reaches half-way to its neighbours, but never further than one hop, or ``reach_s`` if that is more.
    ``first`` counts the clips that have left, so a clip keeps its number (``first`` + position) for life, but for the
    empty ones behind the latest frame: frames that come late go in among them. ``stands``: a frame is shown until the
    next one, so that none between them means that nothing changed, and not that nobody looked.
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
        self._origin: float | None = None
        self._limit = float("inf")
        self._seen_until = float("-inf")  # the time of the latest frame
        self._shown: F32 | None = None  # that frame

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def last_t(self) -> float:
        """Return the newest clip's time, stream seconds; minus infinity while empty."""
        return self._clips[-1].t if self._clips else float("-inf")

    def limit(self, end_s: float) -> None:
        """Let no clip reach beyond ``end_s``, the end of the media in stream seconds."""
        self._limit = end_s

    def add_frame(self, t: float, feature: F32) -> bool:
        """Add a frame; return False where its time is out of the window, or not later than the frame before it.

        Where sound went ahead it takes the nearest empty clip within half a hop, which moves to its time, or else gets
        a clip of its own among the empty ones: those up to the latest frame keep their numbers. So does the frame
        before it at every hop up to ``t``, where it stands that long.
        """
        since, shown = self._seen_until, self._shown
        if shown is not None and t - since > self._still_s:
            for i in range(1, int((t - since) / self.hop_s - 0.5) + 1):
                self._show(since + i * self.hop_s, shown)
        return self._show(t, feature)

    def fill_until(self, end_s: float) -> None:
        """Append clips without frames, a hop apart, as far as they end by ``end_s`` (sound without pictures)."""
        t = self.last_t + self.hop_s if self._clips else (self._origin or 0.0)
        while t + self.hop_s / 2 <= end_s:
            self.start_at(t)
            self._clips.append(_Clip(t, None))
            t += self.hop_s

    def start_at(self, t: float) -> None:
        """Say where the epoch begins, stream seconds: no clip starts earlier."""
        if self._origin is None:
            self._origin = t

    def add_speech(self, start_s: float, end_s: float, feature: F32) -> None:
        """Add an utterance."""
        self._speech.append((start_s, end_s, feature))

    def add_sound(self, t: F64, p: F32) -> None:
        """Add tag probabilities: times [N, 2] in stream seconds, p [N, K]."""
        self._sound += [(float(s), float(e), row) for (s, e), row in zip(t, p, strict=True)]

    def trim(self) -> None:
        """Forget clips beyond the window's size, and what was said and heard before them."""
        gone = max(0, len(self._clips) - self._size)
        if not gone:
            return
        del self._clips[:gone]
        self.first += gone
        begin = self._clips[0].t - self._reach_s
        self._speech = [x for x in self._speech if x[1] > begin]
        self._sound = [x for x in self._sound if x[1] > begin]

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
        )

    def _show(self, t: float, feature: F32) -> bool:
        if t <= self._seen_until or (self.first and t < self._clips[0].t - self.hop_s / 2):
            return False
        self.start_at(t)
        self._seen_until, self._shown = t, feature
        at = bisect(self._clips, t, key=lambda c: c.t)  # what lies behind is empty
        near = [c for c in self._clips[max(0, at - 1) : at + 1] if c.frame is None and abs(c.t - t) <= self.hop_s / 2]
        if near:
            clip = min(near, key=lambda c: abs(c.t - t))
            clip.t, clip.frame = t, feature
        else:
            self._clips.insert(at, _Clip(t, feature))
        return True

    def _bounds(self) -> F64:
        t = np.array([c.t for c in self._clips], np.float64)
        if not len(t):
            return np.zeros((0, 2))
        mid = (t[1:] + t[:-1]) / 2
        half = self.hop_s / 2
        start = np.maximum(np.concatenate([[t[0] - half], mid]), t - self._reach_s)
        end = np.minimum(np.concatenate([mid, [t[-1] + half]]), t + self._reach_s)
        begin = self._origin if self._origin is not None else -np.inf
        start = np.minimum(np.maximum(start, begin), self._limit)
        return np.stack([start, np.clip(end, start, max(self._limit, begin))], axis=1)

    def _sound_on(self, bounds: F64) -> tuple[F32, Bools]:
        """Return the highest tag probabilities within each clip, and where there were any."""
        out = np.zeros((len(bounds), len(SOUND_TAGS)), np.float32)
        mask: Bools = np.zeros(len(bounds), bool)
        if self._sound:
            t = np.array([x[:2] for x in self._sound])
            p = np.stack([row for *_, row in self._sound])
            overlap = (t[None, :, 0] < bounds[:, 1:]) & (t[None, :, 1] > bounds[:, :1])
            mask = np.asarray(overlap.any(1))
            out = np.where(overlap[..., None], p[None], 0).max(1).astype(np.float32)
        return out, mask
