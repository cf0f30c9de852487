"""Fusions of clips I f32[B, T, W] and a description's tokens T f32[B, N, W] into one sequence, chosen by name.

Every fusion is an ``nn.Module``: ``(clips, clip_mask bool[B, T], tokens, token_mask bool[B, N])`` to ``Fused``. Those
without attention use the mean token and return uniform attention. Each description needs at least one token.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from alignment.layers import EncoderLayer, MultiHeadAttention, masked_mean, positions


@dataclass(frozen=True, slots=True)
class FusionSize:
    """The size of a fusion. Only "self_attention" uses ``layers`` and ``hidden`` (the feed-forward's width).

    The Transformer's base has a width of 512, 8 heads and 2048 hidden (Vaswani et al. 2017).
    """

    width: int = 64
    heads: int = 4
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class Fused:
    """``state`` f32[B, T, W]; ``attention`` f32[B, T, N] over tokens, rows sum to 1."""

    state: Tensor
    attention: Tensor


class Concatenation(nn.Module):
    """σ(W·[I; T]), T the mean token (early fusion; Ngiam et al. 2011)."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.join = nn.Linear(2 * size.width, size.width)

    def forward(self, clips: Tensor, clip_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Fused:
        """Fuse."""
        text, attention = _mean_token(clips, tokens, token_mask)
        return Fused(torch.sigmoid(self.join(torch.cat([clips, text], -1))), attention)


class Weighted(nn.Module):
    """a·I + (1 − a)·T, a = σ(α) learned for each channel (a gated unit, Arevalo et al. 2017, whose gate is fixed)."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size.width))

    def forward(self, clips: Tensor, clip_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Fused:
        """Fuse."""
        text, attention = _mean_token(clips, tokens, token_mask)
        return Fused(torch.lerp(text, clips, torch.sigmoid(self.weight)), attention)


class Product(nn.Module):
    """softmax(W·(I ⊙ T) + b), T the mean token (Hadamard product; Kim et al. 2017, low-rank bilinear pooling)."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.join = nn.Linear(size.width, size.width)

    def forward(self, clips: Tensor, clip_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Fused:
        """Fuse."""
        text, attention = _mean_token(clips, tokens, token_mask)
        return Fused(self.join(clips * text).softmax(-1), attention)


class JointEncoder(nn.Module):
    """A Transformer encoder over the joint sequence [I; T] with types, and positions for the clips."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.kind = nn.Parameter(0.02 * torch.randn(2, size.width))
        layers = [EncoderLayer(size.width, size.heads, size.hidden, size.dropout) for _ in range(size.layers)]
        self.earlier, self.last = nn.ModuleList(layers[:-1]), layers[-1]

    def forward(
        self, clips: Tensor, clip_mask: Tensor, tokens: Tensor, token_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return f32[B, T + N, W], its mask, and the last layer's attention of clips to tokens f32[B, T, N]."""
        length = clips.shape[1]
        place = positions(length, clips.shape[2], clips.device)
        joint = torch.cat([clips + place + self.kind[0], tokens + self.kind[1]], 1)
        mask = torch.cat([clip_mask, token_mask], 1)
        for layer in self.earlier:
            joint = layer(joint, mask)
        asked = self.last.norm(joint)
        attention = self.last.attention.weights(asked[:, :length], asked[:, length:], token_mask)
        return self.last(joint, mask), mask, attention


class SelfAttention(nn.Module):
    """Multimodal self-attention: a Transformer over [I; T]; its state at the clips (UniVTG, Lin et al. 2023)."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.encoder = JointEncoder(size)

    def forward(self, clips: Tensor, clip_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Fused:
        """Fuse."""
        joint, _, attention = self.encoder(clips, clip_mask, tokens, token_mask)
        return Fused(joint[:, : clips.shape[1]], attention)


class CrossAttention(nn.Module):
    """A = softmax(QKᵀ/√d)V, clips as queries, tokens as keys; then W·[I; A; I ⊙ A] (VSLNet, Zhang et al. 2020)."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(size.width, size.heads)
        self.join = nn.Linear(3 * size.width, size.width)

    def forward(self, clips: Tensor, clip_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Fused:
        """Fuse."""
        read = self.attention(clips, tokens, token_mask)
        state = self.join(torch.cat([clips, read, clips * read], -1))
        return Fused(state, self.attention.weights(clips, tokens, token_mask))


FUSIONS: Mapping[str, Callable[[FusionSize], nn.Module]] = {
    "concatenation": Concatenation,
    "weighted": Weighted,
    "product": Product,
    "self_attention": SelfAttention,
    "cross_attention": CrossAttention,
}


def _mean_token(clips: Tensor, tokens: Tensor, token_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean token, repeated per clip f32[B, T, W], and the equivalent uniform attention."""
    text = masked_mean(tokens, token_mask)[:, None].expand_as(clips)
    attention = token_mask.float() / token_mask.sum(1, keepdim=True)
    return text, attention[:, None].expand(-1, clips.shape[1], -1)
