"""Training of an image tower and a text tower, end to end, on annotated video frames and their descriptions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alignment.calibration import CLIP_CALIBRATION, Platt
from alignment.errors import FeatureError
from alignment.evaluation.reliability import fit_platt
from alignment.towers.backbones import Captions, Pairs, TwoTowers
from alignment.training.examples.image_augment import ImageAugmenter
from alignment.types import F32, Bools

BATCH = 64
FITTED_FRAMES = 512  # enough to fit the two parameters of a curve


@dataclass(frozen=True, slots=True)
class Pictured:
    """A video's frames u8[N, H, W, 3], and which of Q descriptions are true of each frame: ``shows`` bool[N, Q].

    ``asked`` bool[Q]: the descriptions that the video is annotated with, true or not.
    """

    vid: str
    pictures: NDArray[np.uint8]
    shows: Bools
    asked: Bools


@dataclass(frozen=True, slots=True)
class Captioned:
    """One frame u8[H, W, 3] with one description that is true of it; ``shows`` bool[Q] marks all that are true."""

    picture: NDArray[np.uint8]
    caption: int
    shows: Bools


@dataclass(frozen=True, slots=True)
class Caption:
    """A description of a video; each call returns it with one random frame of which it is true."""

    video: Pictured
    caption: int

    def __call__(self, rng: np.random.Generator) -> Captioned:
        """Return one of the frames, chosen at random."""
        frame = int(rng.choice(np.flatnonzero(self.video.shows[:, self.caption])))
        return Captioned(self.video.pictures[frame], self.caption, self.video.shows[frame])


def captions(videos: Sequence[Pictured]) -> list[Caption]:
    """Return, for each video, every description that is true of at least one of its frames."""
    return [Caption(v, int(q)) for v in videos for q in np.flatnonzero(v.shows.any(axis=0))]


@dataclass(frozen=True, slots=True)
class TowerTask:
    """Frames with descriptions, for ``TwoTowers``; ``ids`` int64[Q, N] are the word ids of the descriptions."""

    ids: Tensor
    augment: ImageAugmenter

    def usable(self, sample: Captioned) -> bool:
        """Return True: frames are bytes, so they are always finite."""
        return True

    def collate(self, samples: Sequence[Captioned]) -> tuple[Captions, Pairs]:
        """Return a batch of augmented frames, and which description of the batch is true of which frame."""
        asked = [s.caption for s in samples]
        images = self.augment(pixels(np.stack([s.picture for s in samples])))
        same = torch.from_numpy(np.stack([s.shows[asked] for s in samples]))
        return Captions(images, self.ids[asked]), Pairs(same)


@dataclass(frozen=True, slots=True)
class TowerValidation:
    """Measures towers on held-out videos; callable.

    A description is predicted for a frame if its probability is at least 0.5, by the calibration curve fitted on the
    training videos. Only descriptions that the frame's video is annotated with are compared.
    """

    learned: Sequence[Pictured]
    held_out: Sequence[Pictured]
    ids: Tensor

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return ``loss`` (cross-entropy), ``f1``, ``precision`` and ``recall`` over pairs of frame and description."""
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
        """Return the curve from cosine to probability; CLIP's curve if none can be fitted to the cosines."""
        try:
            return fit_platt(*compared(model, self.learned, self.ids, FITTED_FRAMES))
        except FeatureError:
            return CLIP_CALIBRATION.vision


@torch.no_grad()
def compared(model: nn.Module, videos: Sequence[Pictured], ids: Tensor, frames: int | None = None) -> tuple[F32, Bools]:
    """Return the cosine f32[M] of each frame with each description of its video, and whether it is true bool[M].

    ``frames``: use at most this many frames, evenly spaced.
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
