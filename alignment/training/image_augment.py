"""Augmentation of images, chosen by name: crops, flips, colours and erasing by torchvision's transforms (v2)."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from alignment.options import choose

# size (pixels per side) → transform. Flips contradict captions with left or right, and colours those that name a
# colour, so hue changes by at most 10°.
IMAGE_AUGMENTATIONS: Mapping[str, Callable[[int], v2.Transform]] = {
    "crop": lambda size: v2.RandomResizedCrop(size, scale=(0.6, 1.0), antialias=True),  # Szegedy et al. 2015
    "flip": lambda size: v2.RandomHorizontalFlip(),
    "colour": lambda size: v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=10 / 360),
    "erase": lambda size: v2.RandomErasing(scale=(0.02, 0.15)),  # Zhong et al. 2020
}


class ImageAugmenter:
    """Augments images f32[B, 3, H, W] of 0..1, each one independently, with torch's global random generator."""

    def __init__(self, names: Sequence[str], size: int) -> None:
        """Raise ``OptionError`` for unknown names. ``size``: pixels per side of the output."""
        chosen = [choose("image augmentation", name, IMAGE_AUGMENTATIONS)(size) for name in names]
        self._transform = v2.Compose([*chosen, v2.Resize((size, size), antialias=True)])

    def __call__(self, images: Tensor) -> Tensor:
        """Return f32[B, 3, size, size]."""
        return torch.stack([self._transform(image) for image in images])
