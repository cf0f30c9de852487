"""Encoders of a sequence (clips in time, words in a sentence), chosen by name.

Every encoder is an ``nn.Module``: ``(x f32[B, T, W], mask bool[B, T])`` to f32[B, T, W]. Real steps come first, and
padding changes nothing.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from alignment.methods.attention import EncoderLayer, positions


class Alone(nn.Module):
    """Every step by itself: x."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return x."""
        return x


class _Recurrent(nn.Module):
    """x + the states of a recurrent network that reads in both directions (Schuster and Paliwal 1997)."""

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
    """Return f32[B, W]: the mean of x f32[B, T, W] over the steps where ``mask`` bool[B, T]; 0 where none is."""
    return torch.einsum("btw,bt->bw", x, mask.to(x.dtype)) / mask.sum(1, keepdim=True).clamp(min=1)
