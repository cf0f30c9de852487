"""Backbones for training your own encoder end to end: a torchvision CNN and a text encoder, as two towers.

Both towers return unit rows of the same width, so the aligner can use them like any other encoder.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as nnf
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from alignment.aligners.trained.batches import Tensors
from alignment.layers import SEQUENCE_ENCODERS, masked_mean
from alignment.options import OptionError, choose

VGG_CHANNELS = 512
# name: the last layers in torchvision's model, which are replaced by our projection
CNNS: dict[str, str] = {
    "resnet18": "fc",  # He et al. 2016
    "resnet50": "fc",
    "vgg11": "classifier",  # Simonyan and Zisserman 2015, without its dense layers, which have 9/10 of its weights
    "vgg16": "classifier",
    "vgg11_bn": "classifier",  # with batch normalisation: can be trained from scratch
    "efficientnet_b0": "classifier.1",  # Tan and Le 2019
    "mobilenet_v3_small": "classifier.3",  # Howard et al. 2019
}
UNKNOWN = 1  # id of words that are not in the vocabulary; 0 is padding
LOG_SCALE = math.log(1 / 0.07)  # CLIP's initial temperature
MOST_LOG_SCALE = math.log(100.0)  # and its upper bound (Radford et al. 2021)


@dataclass(frozen=True, slots=True)
class TowerOptions:
    """``side``: pixels per side of an image; ``weights``: a local safetensors file for the CNN, None: random."""

    image: str = "resnet18"
    text: str = "gru"
    width: int = 64
    side: int = 96
    weights: Path | None = None

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for unknown names and sizes out of range."""
        choose("CNN", self.image, CNNS)
        choose("sequence encoder", self.text, SEQUENCE_ENCODERS)
        if not (0 < self.width <= 1024 and self.width % 4 == 0 and 32 <= self.side <= 512):
            raise OptionError(
                f"towers of width {self.width} for images of {self.side} pixels",
                "give a width of 4, 8, 12 … 1024 and a side of 32 to 512",
            )


@dataclass(frozen=True, slots=True)
class Captions(Tensors):
    """Images and the word ids of their descriptions, row by row."""

    images: Tensor  # f32[B, 3, H, W] of 0..1
    ids: Tensor  # int64[B, N] of a ``Vocabulary``


@dataclass(frozen=True, slots=True)
class Pairs(Tensors):
    """Which images each description is true of."""

    same: Tensor  # bool[B, B], the diagonal is True


class Vocabulary:
    """The words of a set of texts, numbered from 2 in alphabetical order."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.words = tuple(sorted({w for t in texts for w in _words(t)}))
        self._ids = {word: i for i, word in enumerate(self.words, UNKNOWN + 1)}

    def __len__(self) -> int:
        return len(self._ids) + UNKNOWN + 1

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return int64[B, N] word ids, padded with 0; a text without words gets one ``UNKNOWN``."""
        rows = [[self._ids.get(w, UNKNOWN) for w in _words(t)] or [UNKNOWN] for t in texts]
        longest = max(map(len, rows), default=0)
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows], dtype=torch.long)


class ImageTower(nn.Module):
    """A CNN with a projection instead of its classifier: f32[B, 3, H, W] in 0..1 to unit rows f32[B, W]."""

    def __init__(self, options: TowerOptions) -> None:
        super().__init__()
        self.network = _cnn(options)

    def forward(self, images: Tensor) -> Tensor:
        """Return f32[B, W]."""
        return nnf.normalize(self.network(images * 2 - 1), dim=-1)


class TextTower(nn.Module):
    """Word embeddings, a sequence encoder and the mean over words: int64[B, N] to unit rows f32[B, W]."""

    def __init__(self, options: TowerOptions, words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, options.width, padding_idx=0)
        self.encoder = SEQUENCE_ENCODERS[options.text](options.width)
        self.project = nn.Linear(options.width, options.width)

    def forward(self, ids: Tensor) -> Tensor:
        """Return f32[B, W]."""
        mask = ids != 0
        return nnf.normalize(self.project(masked_mean(self.encoder(self.embed(ids), mask), mask)), dim=-1)


class TwoTowers(nn.Module):
    """An image and a text tower with CLIP's learned temperature (Radford et al. 2021)."""

    def __init__(self, options: TowerOptions, words: int) -> None:
        super().__init__()
        self.image, self.text = ImageTower(options), TextTower(options, words)
        self.log_scale = nn.Parameter(torch.tensor(LOG_SCALE))

    def train(self, mode: bool = True) -> Self:
        """Set training or eval mode; frozen batch norms keep their running statistics."""
        super().train(mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d) and not part.weight.requires_grad:
                part.eval()
        return self

    @property
    def scale(self) -> Tensor:
        """Return the factor of cosines before the softmax."""
        return self.log_scale.clamp(max=MOST_LOG_SCALE).exp()

    def forward(self, batch: Captions) -> Tensor:
        """Return the scaled cosine of every image with every text f32[B, B]."""
        logits: Tensor = self.scale * self.image(batch.images) @ self.text(batch.ids).T
        return logits

    def loss(self, logits: Tensor, targets: Pairs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return ``info_nce``, and its detached value by name."""
        total = info_nce(logits.float(), targets.same)
        return total, {"contrastive": total.detach()}


def info_nce(logits: Tensor, same: Tensor) -> Tensor:
    """−log Σ_{same} e^{l} / Σ e^{l}, over rows and over columns (van den Oord et al. 2018; symmetric as in CLIP).

    logits f32[B, B]; ``same`` bool[B, B] marks positive pairs, at least the diagonal: equal captions in a batch
    are not negatives of each other (supervised contrast, Khosla et al. 2020).
    """
    ours = logits.masked_fill(~same, -torch.inf)
    losses = [(logits.logsumexp(d) - ours.logsumexp(d)).mean() for d in (0, 1)]
    return torch.stack(losses).mean()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _cnn(options: TowerOptions) -> nn.Module:
    """Return the CNN with a new last layer; raise ``OptionError`` if its weights cannot be read."""
    from torchvision import models  # slow to import, and only needed here

    network: nn.Module = models.get_model(options.image, weights=None)
    if options.weights is not None:
        try:
            network.load_state_dict(load_file(options.weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise OptionError(
                f"cannot read {options.weights} as weights of {options.image}: {error}",
                "give a safetensors file of torchvision's state_dict",
            ) from error
    place, _, last = CNNS[options.image].rpartition(".")
    holder: Any = network.get_submodule(place)
    old = holder.get_submodule(last)
    if isinstance(old, nn.Sequential):
        network.avgpool = nn.AdaptiveAvgPool2d(1)  # global average pooling instead (Lin et al. 2014)
    features = VGG_CHANNELS if isinstance(old, nn.Sequential) else old.in_features
    setattr(holder, last, nn.Linear(features, options.width))
    return network
