"""Attention and Transformer layers on ``scaled_dot_product_attention``, the same in training and evaluation.

(The fast path of ``nn.TransformerEncoderLayer`` answers wrongly with additive masks in torch 2.14.)
"""

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """softmax(QKᵀ/√d)V in several heads (Vaswani et al. 2017). A mask must leave each example something to read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """Read ``asked`` f32[B, N, W], where ``mask`` bool[B, N], once for each of ``asking`` f32[B, T, W]."""
        q, k, v = (self._split(x) for x in (self.query(asking), *self.key_value(asked).chunk(2, -1)))
        read = nnf.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        out: Tensor = self.out(read.transpose(1, 2).flatten(2))
        return out

    @torch.no_grad()
    def weights(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """Return the attention f32[B, T, N], mean over heads, for showing."""
        q, k = self._split(self.query(asking)), self._split(self.key_value(asked).chunk(2, -1)[0])
        logits = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~mask[:, None, None], -torch.inf)
        return logits.softmax(-1).mean(1)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Sequential):
    """W₂·GELU(W₁x), with dropout in training."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added to its input after normalisation (pre-norm, Xiong et al. 2020)."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.norm_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.forwards = FeedForward(width, hidden, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, T, W]; only steps where ``mask`` bool[B, T] are read."""
        normed = self.norm(x)
        x = x + self.dropout(self.attention(normed, normed, mask))
        out: Tensor = x + self.dropout(self.forwards(self.norm_forward(x)))
        return out


class DecoderLayer(nn.Module):
    """Self-attention of the asking, attention to a memory, feed-forward; pre-norm."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.own = EncoderLayer(width, heads, hidden, dropout)
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, Q, W] of x f32[B, Q, W] and what of ``memory`` f32[B, N, W] ``mask`` shows."""
        x = x + self.dropout(self.attention(self.norm(x), memory, mask))
        out: Tensor = self.own(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
        return out


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """Return f32[length, width]: sines and cosines of falling frequency (Vaswani et al. 2017)."""
    step = torch.arange(length, device=device)[:, None].float()
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    return torch.stack([(step * rate).sin(), (step * rate).cos()], -1).flatten(1)[:, :width]
