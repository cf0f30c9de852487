"""Frames to what a vision tower takes. The decoder has cut and scaled them: only values change here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from alignment.errors import FeatureError
from workers.types import U8, FrameSpec

if TYPE_CHECKING:
    import torch


def check_frames(frames: U8, spec: FrameSpec) -> U8:
    """Return ``frames`` contiguous and writable (Ray's are read-only); raise ``FeatureError`` by shape."""
    rgb = frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[3] == 3
    if not rgb or not spec.accepts(frames.shape[2], frames.shape[1]):
        size = f"{spec.height}, {spec.width}" if spec.fit != "whole" else f"H, W, the smaller of them {spec.width}"
        raise FeatureError(
            f"frames are {frames.dtype}{list(frames.shape)}, the model takes uint8[N, {size}, 3]",
            "open the source with the encoder's frame_spec",
        )
    return np.require(frames, requirements=["C", "W"])


class Normaliser:
    """(x / 255 − mean) / std in one multiply and one add, in float32, then the model's type."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device, dtype: torch.dtype) -> None:
        import torch

        std_t = torch.tensor(std, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self._scale = 1.0 / (255.0 * std_t)
        self._shift = -torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1) / std_t
        self._device, self._dtype = device, dtype

    def __call__(self, frames: U8) -> torch.Tensor:
        """Return [N, 3, H, W] for u8[N, H, W, 3]."""
        import torch

        pixels = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2).float()
        return torch.addcmul(self._shift, pixels, self._scale).to(self._dtype)


def patchify(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """Return [N, rows·columns, patch·patch·3] for [N, 3, H, W]: the flat patches of SigLIP 2 NaFlex."""
    n, channels, height, width = pixels.shape
    grid = pixels.reshape(n, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(n, (height // patch) * (width // patch), -1)
