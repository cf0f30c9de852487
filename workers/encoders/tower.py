"""What the CLIP profiles share: an image tower and a text tower that end in one space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignment.calibration import CLIP_CALIBRATION, SIGLIP_CALIBRATION, Platt, SimilarityCalibration
from alignment.lexicon import things
from alignment.synthetic.captions import with_article
from alignment.types import F32
from alignment.vectors import unit_rows
from workers.encoders.cut_out import cut_out
from workers.encoders.names import KnownNames, kept_file
from workers.encoders.preprocess import Normaliser, check_frames
from workers.errors import ModelUnavailable
from workers.models.folder import licence_of, revision_of, size_mb
from workers.models.options import EncoderOptions
from workers.types import U8, Areas, FrameSpec, ModelInfo

if TYPE_CHECKING:
    import torch

MODALITY_GAP = 0.8  # length of what sets pictures apart from texts, in unit rows: about what CLIP shows
BLUR = 0.6  # and of what is a picture's own


@dataclass(frozen=True, slots=True)
class Towers:
    """A loaded checkpoint. ``image`` takes normalised [N, 3, H, W], ``text`` strings; both give [N, D]."""

    image: Callable[[torch.Tensor], torch.Tensor]
    text: Callable[[list[str]], torch.Tensor]
    spec: FrameSpec
    mean: Sequence[float]
    std: Sequence[float]
    device: torch.device
    dtype: torch.dtype
    scale: float  # the learned factor before softmax or sigmoid, already exponentiated
    bias: float | None  # the learned bias of a sigmoid loss (SigLIP); None: a softmax loss (CLIP)


def learned_curve(model: Any) -> tuple[float, float | None]:
    """Return ``scale`` and ``bias`` of a loaded checkpoint, before half precision takes digits from them."""
    bias = getattr(model, "logit_bias", None)
    return math.exp(model.logit_scale.item()), None if bias is None else bias.item()


def calibration_of(towers: Towers, names: KnownNames | None) -> SimilarityCalibration:
    """Return the curves of a checkpoint.

    With ``names`` pictures are judged against their panel, and the curve of texts is the text tower's own. Without, the
    choice between a description and its contrast uses the scale that the towers were trained with, and a sigmoid loss
    (SigLIP, Zhai et al. 2023) trains p = σ(scale · cos + bias) itself, so its vision curve is exact.
    """
    if towers.bias is None:
        curves = replace(CLIP_CALIBRATION, contrast=towers.scale)
    else:
        exact = Platt(scale=towers.scale, midpoint=-towers.bias / towers.scale)
        curves = replace(SIGLIP_CALIBRATION, vision=exact, contrast=towers.scale)
    return replace(curves, text=names.curve, panel=names.rows) if names else curves


class TwoTowerEncoder:
    """An ``Encoder`` over two towers. Sentences go through the text tower too: D' = D."""

    def __init__(
        self, options: EncoderOptions, folder: Path, weights: Path, towers: Towers, names: bool = True
    ) -> None:
        self.frame_spec = towers.spec
        self._towers = towers
        self._normalise = Normaliser(towers.mean, towers.std, towers.device, towers.dtype)
        self._neutral = [round(255 * mean) for mean in towers.mean]  # the colour that says nothing to the towers
        self._batch = options.batch_size
        self._dim = self._probe(folder)
        revision = revision_of(folder, weights)
        named = options.model or ""
        # The same model in another place is the same model: its path stays out of event ids.
        name = folder.name if Path(named).expanduser().is_dir() else named
        self.info = ModelInfo(
            id=f"{options.profile}/{name}@{revision}{replace(options, quantize='none').precision}",
            profile=options.profile,
            name=name,
            revision=revision,
            dim=self._dim,
            licence=licence_of(folder),
            device=str(towers.device),
            size_mb=size_mb(folder),
        )
        self._names = KnownNames(self.encode_text, kept_file(folder, "names", self.info.id, "npy")) if names else None
        self.vocabulary = self._names.rows if self._names else np.zeros((0, self._dim), np.float32)
        self.calibration = calibration_of(towers, self._names)
        self.space_file = kept_file(folder, "space", self.info.id, "json") if names else None

    def encode_frames(self, frames: U8) -> F32:
        """Return unit rows f32[N, D] for u8[N, H, W, 3] of ``frame_spec`` size; raise ``FeatureError``."""
        checked = check_frames(frames, self.frame_spec)
        return self._split(len(checked), lambda a, b: self._towers.image(self._normalise(checked[a:b])))

    def encode_zones(self, frames: U8, zones: Sequence[Sequence[Areas]]) -> F32:
        """Return f32[N + zones, D]: of each frame its row, then one for each of its ``zones``, NaN for one beside it.

        A row is of a whole picture, so each zone is a picture of its own, cut out and enlarged.
        """
        pictures: list[U8] = []
        beside = []
        for frame, areas in zip(frames, zones, strict=True):
            parts = [frame, *(cut_out(frame, a, self._neutral) for a in areas)]
            beside += [part is None for part in parts]
            pictures += [frame if part is None else part for part in parts]
        if self._towers.device.type != "cpu":  # a new number of pictures means new kernels
            pictures += [frames[0]] * ((1 << (len(pictures) - 1).bit_length()) - len(pictures))
        rows = self.encode_frames(np.stack(pictures))[: len(beside)]
        rows[beside] = np.nan
        return rows

    def encode_text(self, texts: Sequence[str]) -> F32:
        """Return unit rows f32[N, D]."""
        listed = list(texts)
        return self._split(len(listed), lambda a, b: self._towers.text(listed[a:b]))

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        """Return f32[K]: how alike each name and the nearest of ``texts`` are; nothing without names."""
        return self._names.likeness(texts, rows) if self._names else np.zeros(0, np.float32)

    def imagine(self, beliefs: F32) -> F32:
        """Return captions of things, blended, blurred and moved as pictures lie beside texts (Liang et al. 2022)."""
        names = self.encode_text([f"a photo of {with_article(t.name)}" for t in things()])
        rng = np.random.default_rng(0)
        gap = rng.normal(0, MODALITY_GAP / self._dim**0.5, self._dim)
        blur = rng.normal(0, BLUR / self._dim**0.5, (len(beliefs), self._dim))
        return unit_rows(beliefs @ names + gap + blur)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        """Return unit rows f32[N, D] of the same text tower."""
        return self.encode_text(texts)

    def _split(self, count: int, encode: Callable[[int, int], torch.Tensor]) -> F32:
        import torch

        if count == 0:
            return np.zeros((0, self._dim), np.float32)
        with torch.inference_mode():
            parts = [encode(a, min(a + self._batch, count)) for a in range(0, count, self._batch)]
            rows = torch.nn.functional.normalize(torch.cat(parts).float(), dim=-1)
            return np.asarray(rows.cpu().numpy(), np.float32)

    def _probe(self, folder: Path) -> int:
        """Return D by one real forward pass of each tower, so that unusable weights fail here, not later."""
        black = np.zeros((1, self.frame_spec.height, self.frame_spec.width, 3), np.uint8)
        text, image = self.encode_text(["a photo"]), self.encode_frames(black)
        if text.shape != image.shape or not (np.isfinite(text).all() and np.isfinite(image).all()):
            raise ModelUnavailable(f"{folder} gives no usable embeddings", "its weights are damaged; pull it again")
        return int(text.shape[1])
