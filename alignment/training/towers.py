"""Two towers trained end to end on annotated video: on frames, and on the descriptions that are true of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alignment.calibration import CLIP_CALIBRATION, Platt
from alignment.errors import FeatureError
from alignment.methods.backbones import Captions, Pairs, TwoTowers
from alignment.reliability import fit_platt
from alignment.training.image_augment import ImageAugmenter
from alignment.types import F32, Bools

BATCH = 64
FITTED_FRAMES = 512  # enough for two numbers


@dataclass(frozen=True, slots=True)
class Pictured:
    """A video's frames u8[N, H, W, 3]; of Q descriptions, which are true of each: ``shows`` bool[N, Q].

    ``asked`` bool[Q]: those that the video is annotated with, true or not.
    """

    vid: str
    pictures: NDArray[np.uint8]
    shows: Bools
    asked: Bools


@dataclass(frozen=True, slots=True)
class Captioned:
    """One frame u8[H, W, 3] under one of the descriptions that are true of it; ``shows`` bool[Q] are all of them."""

    picture: NDArray[np.uint8]
    caption: int
    shows: Bools


@dataclass(frozen=True, slots=True)
class Caption:
    """A description of a video, true of some of its frames: each time, one of those."""

    video: Pictured
    caption: int

    def __call__(self, rng: np.random.Generator) -> Captioned:
        """Return one of the frames."""
        frame = int(rng.choice(np.flatnonzero(self.video.shows[:, self.caption])))
        return Captioned(self.video.pictures[frame], self.caption, self.video.shows[frame])


def captions(videos: Sequence[Pictured]) -> list[Caption]:
    """Return every description of every video that is true of a frame of it."""
    return [Caption(v, int(q)) for v in videos for q in np.flatnonzero(v.shows.any(axis=0))]


@dataclass(frozen=True, slots=True)
class TowerTask:
    """Frames under descriptions, for ``TwoTowers``; ``ids`` int64[Q, N] are the descriptions' words."""

    ids: Tensor
    augment: ImageAugmenter

    def usable(self, sample: Captioned) -> bool:
        """Return True: bytes are numbers."""
        return True

    def collate(self, samples: Sequence[Captioned]) -> tuple[Captions, Pairs]:
        """Return a batch of augmented pictures, and which description of the batch is true of which picture."""
        asked = [s.caption for s in samples]
        images = self.augment(pixels(np.stack([s.picture for s in samples])))
        same = torch.from_numpy(np.stack([s.shows[asked] for s in samples]))
        return Captions(images, self.ids[asked]), Pairs(same)


@dataclass(frozen=True, slots=True)
class TowerValidation:
    """Measures towers on videos that are held out; callable.

    A frame shows a description that its video is annotated with where the probability is at least 0.5, by the curve
    that fits the videos learned from.
    """

    learned: Sequence[Pictured]
    held_out: Sequence[Pictured]
    ids: Tensor

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return ``loss`` (cross-entropy), ``f1``, ``precision`` and ``recall`` of frames with descriptions."""
        cosines, truth = compared(model, self.held_out, self.ids)
        p = self.curve(model)(cosines)
        found = p >= 0.5
        right = float((found & truth).sum())
        sure = np.clip(np.where(truth, p, 1 - p), 1e-7, 1)
        return {
            "loss": float(-np.log(sure).mean()) if len(p) else 0.0,
            "f1": 2 * right / max(1, found.sum() + truth.sum()),
            "precision": right / max(1, found.sum()),
            "recall": right / max(1, truth.sum()),
        }

    def curve(self, model: nn.Module) -> Platt:
        """Return how probable a description is at a cosine; CLIP's curve where cosines say nothing about it."""
        try:
            return fit_platt(*compared(model, self.learned, self.ids, FITTED_FRAMES))
        except FeatureError:
            return CLIP_CALIBRATION.vision


@torch.no_grad()
def compared(model: nn.Module, videos: Sequence[Pictured], ids: Tensor, frames: int | None = None) -> tuple[F32, Bools]:
    """Return the cosine f32[M] of each frame with each description of its video, and whether it is true bool[M].

    ``frames``: of so many frames at most, evenly of all.
    """
    assert isinstance(model, TwoTowers)
    device = next(model.parameters()).device
    texts = model.text(ids.to(device))
    step = 1 if frames is None else max(1, -(-sum(len(v.pictures) for v in videos) // frames))
    cosines, truth = [np.zeros(0, np.float32)], [np.zeros(0, bool)]
    for video in videos:
        pictures = video.pictures[::step]
        if not len(pictures):
            continue
        rows = [model.image(pixels(pictures[i : i + BATCH]).to(device)) for i in range(0, len(pictures), BATCH)]
        found = (torch.cat(rows) @ texts.T).float().cpu().numpy()
        cosines.append(found[:, video.asked].ravel())
        truth.append(video.shows[::step][:, video.asked].ravel())
    return np.concatenate(cosines), np.concatenate(truth)


def pixels(pictures: NDArray[np.uint8]) -> Tensor:
    """Return f32[B, 3, H, W] of 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
