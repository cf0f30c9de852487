"""What a head reads of a clip: what was seen, said and heard in it, and how probable the event was by the models.

The three are compared as they count: a clip whose event was heard and not seen has no weight in what is seen, so what
a camera happens to show while somebody speaks is not judged.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.utterances import cover
from alignment.types import F32, FeatureWindow, ScoreTrack
from alignment.vectors import unit_rows

MOST_LOGIT = 9.0  # of a probability: beyond it nothing is decided differently


@dataclass(frozen=True, slots=True)
class Samples:
    """N clips of one event. Rows have unit length, or are zero where nothing was seen, said or heard.

    ``frames`` f32[N, D], ``speech`` f32[N, D'], ``sound`` f32[N, K]; ``shares`` f32[N, 3], each modality's part in the
    probability; ``logits`` f32[N], of the probability without any head.
    """

    frames: F32
    speech: F32
    sound: F32
    shares: F32
    logits: F32

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, rows: "slice | NDArray[np.int64]") -> "Samples":
        return Samples(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def joined(cls, parts: "list[Samples]") -> "Samples":
        """Return the clips of several, at least one, in order."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


def samples_of(window: FeatureWindow, track: ScoreTrack) -> Samples:
    """Return all clips of a window, with the probability and the shares of one event's track."""
    usable = np.asarray(np.isfinite(window.speech).all(axis=1))
    covers = cover(window.bounds, window.speech_t) & usable
    said = covers.astype(np.float32) @ np.where(usable[:, None], window.speech, 0)
    seen = window.frame_mask & np.isfinite(window.frames).all(axis=1)
    return Samples(
        frames=np.where(seen[:, None], window.frames, 0).astype(np.float32),
        speech=_unit(said),
        sound=_unit(np.where(np.isfinite(window.sound), window.sound, 0)),
        shares=track.shares,
        logits=logit(track.p),
    )


def logit(p: F32) -> F32:
    """Return the logits of probabilities, at most ``MOST_LOGIT`` from 0."""
    p = np.clip(np.asarray(p, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.clip(np.log(p) - np.log1p(-p), -MOST_LOGIT, MOST_LOGIT), np.float32)


def logit_of(p: float) -> float:
    """Return the logit of one probability."""
    return float(logit(np.array([p], np.float32))[0])


def _unit(rows: F32) -> F32:
    return unit_rows(rows.astype(np.float32))
