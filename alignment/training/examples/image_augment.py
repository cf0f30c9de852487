"""Augmentation of images, chosen by name: crops, flips, colours and erasing by torchvision's transforms (v2)."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from alignment.options import choose


@cache
def _v2() -> Any:
    """Return torchvision's transforms, which take two seconds to import."""
    return import_module("torchvision.transforms.v2")


# size (pixels per side) → transform. Flips contradict captions with left or right, and colours those that name a
# colour, so hue changes by at most 10°.
IMAGE_AUGMENTATIONS: Mapping[str, Callable[[int], Callable[[Tensor], Tensor]]] = {
    "crop": lambda size: _v2().RandomResizedCrop(size, scale=(0.6, 1.0), antialias=True),  # Szegedy et al. 2015
    "flip": lambda size: _v2().RandomHorizontalFlip(),
    "colour": lambda size: _v2().ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=10 / 360),
    "erase": lambda size: _v2().RandomErasing(scale=(0.02, 0.15)),  # Zhong et al. 2020
}


class ImageAugmenter:
    """Augments images f32[B, 3, H, W] of 0..1, each one independently, with torch's global random generator."""

    def __init__(self, names: Sequence[str], size: int) -> None:
        """Raise ``OptionError`` for unknown names. ``size``: pixels per side of the output."""
        chosen = [choose("image augmentation", name, IMAGE_AUGMENTATIONS)(size) for name in names]
        self._transform = _v2().Compose([*chosen, _v2().Resize((size, size), antialias=True)])

    def __call__(self, images: Tensor) -> Tensor:
        """Return f32[B, 3, size, size]."""
        return torch.stack([self._transform(image) for image in images])
