"""Sequence encoders (for clips in time, or words in a sentence), chosen by name.

Every encoder is an ``nn.Module``: ``(x f32[B, T, W], mask bool[B, T])`` to f32[B, T, W]. Real steps come first;
padding does not change the result.
"""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Alone(nn.Module):
    """Identity: no mixing between steps."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return x."""
        return x


class _Recurrent(nn.Module):
    """x + the states of a bidirectional recurrent network (Schuster and Paliwal 1997)."""

    def __init__(self, network: nn.LSTM | nn.GRU) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, T, W]."""
        packed = pack_padded_sequence(x, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.network(packed)[0], batch_first=True, total_length=x.shape[1])
        return x + states


class Lstm(_Recurrent):
    """cₜ = fₜ⊙cₜ₋₁ + iₜ⊙tanh(W[xₜ; hₜ₋₁]), hₜ = oₜ⊙tanh(cₜ) (Hochreiter and Schmidhuber 1997)."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.LSTM(width, width // 2, batch_first=True, bidirectional=True))


class Gru(_Recurrent):
    """hₜ = (1 − zₜ)⊙nₜ + zₜ⊙hₜ₋₁, nₜ = tanh(Wxₜ + rₜ⊙Uhₜ₋₁) (Cho et al. 2014)."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.GRU(width, width // 2, batch_first=True, bidirectional=True))


class Transformer(nn.Module):
    """Two pre-norm layers of self-attention with sine positions (Vaswani et al. 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, 4, 2 * width, 0.1) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, T, W]."""
        x = x + positions(x.shape[1], x.shape[2], x.device)
        for layer in self.layers:
            x = layer(x, mask)
        return x


SEQUENCE_ENCODERS: Mapping[str, Callable[[int], nn.Module]] = {
    "none": Alone,
    "lstm": Lstm,
    "gru": Gru,
    "transformer": Transformer,
}


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return f32[B, W]: the mean of x f32[B, T, W] over steps with ``mask`` bool[B, T]; 0 without any."""
    return torch.einsum("btw,bt->bw", x, mask.to(x.dtype)) / mask.sum(1, keepdim=True).clamp(min=1)


class MultiHeadAttention(nn.Module):
    """softmax(QKᵀ/√d)V in several heads (Vaswani et al. 2017). Each example needs at least one unmasked row."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Attend from queries f32[B, T, W] to keys f32[B, N, W] with ``mask`` bool[B, N]; return f32[B, T, W]."""
        q, k, v = (self._split(x) for x in (self.query(queries), *self.key_value(keys).chunk(2, -1)))
        read = nnf.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        out: Tensor = self.out(read.transpose(1, 2).flatten(2))
        return out

    @torch.no_grad()
    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Return the attention weights f32[B, T, N], mean over heads, for explanations."""
        q, k = self._split(self.query(queries)), self._split(self.key_value(keys).chunk(2, -1)[0])
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
        """Return f32[B, T, W]; only steps with ``mask`` bool[B, T] are attended to."""
        normed = self.norm(x)
        x = x + self.dropout(self.attention(normed, normed, mask))
        out: Tensor = x + self.dropout(self.forwards(self.norm_forward(x)))
        return out


class DecoderLayer(nn.Module):
    """Self-attention of the queries, cross-attention to a memory, feed-forward; pre-norm."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.own = EncoderLayer(width, heads, hidden, dropout)
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, Q, W] from queries x f32[B, Q, W] and ``memory`` f32[B, N, W] with ``mask`` bool[B, N]."""
        x = x + self.dropout(self.attention(self.norm(x), memory, mask))
        out: Tensor = self.own(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
        return out


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """Return f32[length, width]: sinusoidal position encodings (Vaswani et al. 2017)."""
    step = torch.arange(length, device=device)[:, None].float()
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    return torch.stack([(step * rate).sin(), (step * rate).cos()], -1).flatten(1)[:, :width]
