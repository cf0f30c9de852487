"""Training examples from annotated videos: windows of 75 clips, with or without a true moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from alignment.aligners.trained.batches import Sample
from alignment.training.errors import DatasetError
from alignment.types import F32, F64, Bools, EventQuery, FeatureWindow
from alignment.windows import WINDOW_CLIPS

AIMED = 0.5  # share of windows cut around a moment at which the description is true, if there is one


@dataclass(frozen=True, slots=True)
class Example:
    """One description on one whole video; it is true in the windows ``relevant`` f64[R, 2], stream seconds."""

    vid: str
    video: FeatureWindow
    query: EventQuery
    relevant: F64

    def __call__(self, rng: np.random.Generator) -> Sample:
        """Return a window with a random start; half of the windows contain a true moment, if the video has one."""
        latest = max(0, len(self.video.bounds) - WINDOW_CLIPS)
        start = int(rng.integers(latest + 1))
        if len(self.relevant) and rng.random() < AIMED:
            t = rng.uniform(*self.relevant[rng.integers(len(self.relevant))])
            clip = int(np.searchsorted(self.video.bounds[:, 1], t))
            start = int(np.clip(clip - rng.integers(WINDOW_CLIPS), 0, latest))
        return self._sample(start)

    def windows(self) -> list[Sample]:
        """Return the whole video as consecutive windows."""
        return [self._sample(start) for start in range(0, len(self.video.bounds), WINDOW_CLIPS)]

    def _sample(self, start: int) -> Sample:
        window = cut(self.video, start, start + WINDOW_CLIPS)
        inside = self.relevant.clip(window.bounds[0, 0], window.bounds[-1, 1])
        return Sample(window, self.query, inside[inside[:, 1] > inside[:, 0]])


def cut(video: FeatureWindow, start: int, stop: int) -> FeatureWindow:
    """Return the clips from ``start`` to ``stop`` and the utterances that overlap them."""
    bounds = video.bounds[start:stop]
    said = (video.speech_t[:, 1] > bounds[0, 0]) & (video.speech_t[:, 0] < bounds[-1, 1])
    return FeatureWindow(
        bounds=bounds,
        frames=video.frames[start:stop],
        frame_mask=video.frame_mask[start:stop],
        speech=video.speech[said],
        speech_t=video.speech_t[said],
        sound=video.sound[start:stop],
        sound_mask=video.sound_mask[start:stop],
    )


def without_bad_rows(video: FeatureWindow) -> tuple[FeatureWindow, int]:
    """Return the video with rows that are not finite masked out, and their number. Their clips are kept, as unseen."""
    seen, said, heard = map(_finite, (video.frames, video.speech, video.sound))
    bad = int((~seen & video.frame_mask).sum() + (~said).sum() + (~heard & video.sound_mask).sum())
    cleaned = replace(
        video,
        frames=np.where(seen[:, None], video.frames, 0).astype(np.float32),
        frame_mask=video.frame_mask & seen,
        speech=video.speech[said],
        speech_t=video.speech_t[said],
        sound=video.sound if heard.all() else np.where(heard[:, None], video.sound, np.float32(0)),
        sound_mask=video.sound_mask & heard,
    )
    return cleaned, bad


class OfVideo(Protocol):
    """An example that belongs to one video."""

    @property
    def vid(self) -> str:
        """Return the id of the video."""
        ...


V = TypeVar("V", bound=OfVideo)


def held_out(examples: Sequence[V], share: float, seed: int) -> tuple[list[V], list[V]]:
    """Return examples for training and for validation; no video is in both. Raise ``DatasetError``."""
    vids = sorted({e.vid for e in examples})
    count = round(share * len(vids)) or int(share > 0)
    if count >= len(vids):
        raise DatasetError(
            f"{len(vids)} video(s) are too few to hold {count} out for validation",
            "annotate more videos, or set validation_share: 0 to train without validation",
        )
    chosen = {vids[i] for i in np.random.default_rng(seed).permutation(len(vids))[:count]}
    return [e for e in examples if e.vid not in chosen], [e for e in examples if e.vid in chosen]


def relevant_windows(windows: Iterable[tuple[float, float]]) -> F64:
    """Return annotated windows as f64[R, 2]."""
    return np.array(list(windows), np.float64).reshape(-1, 2)


def _finite(rows: F32) -> Bools:
    return np.asarray(np.isfinite(rows).all(axis=1))
