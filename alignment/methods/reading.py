"""How the methods of this package read a batch: clips that are seen and heard, and descriptions of them, W wide."""

import torch
from torch import Tensor, nn

from alignment.batches import Batch, TokenKind
from alignment.errors import FeatureError


class Entry(nn.Module):
    """LN(W·x) for rows and tokens of one embedding space; tokens get their kind and a first one that says nothing.

    One projection serves both, so that what is alike stays alike. The first token lets a clip attend to nothing, and
    there is one where a description has no words in this space.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.project, self.norm = nn.Linear(dim, width), nn.LayerNorm(width)
        self.kind = nn.Parameter(0.1 * torch.randn(len(TokenKind), width))
        self.nothing = nn.Parameter(0.1 * torch.randn(width))

    def rows(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, T, W] of x f32[B, T, D]; 0 where ``mask`` is not. Raise ``FeatureError`` for another width."""
        if x.shape[2] != self.project.in_features:
            if mask.any():  # where nothing is, a batch knows no width either
                raise FeatureError(
                    f"features have {x.shape[2]} numbers, the method was made for {self.project.in_features}",
                    "use the encoder that it was trained with",
                )
            return x.new_zeros(*x.shape[:2], self.nothing.shape[0])
        return torch.where(mask[..., None], self.norm(self.project(x)), 0.0)

    def tokens(self, x: Tensor, mask: Tensor, kind: Tensor) -> tuple[Tensor, Tensor]:
        """Return f32[B, 1 + N, W] and bool[B, 1 + N] of x f32[B, N, D]."""
        rows = self.rows(x, mask) + self.kind[kind]
        first = self.nothing.expand(len(x), 1, -1)
        return torch.cat([first, rows], 1), torch.cat([mask.new_ones(len(x), 1), mask], 1)


def heard(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the mean utterance of every clip f32[B, T, D'], and where there is one bool[B, T]."""
    words = (batch.covers & batch.utterance_mask[:, None]).float()
    count = words.sum(-1, keepdim=True)
    return words @ batch.utterances / count.clamp(min=1), count[..., 0] > 0


def shown(attention: Tensor, batch: Batch) -> Tensor:
    """Return attention f32[B, T, N] over real tokens of attention over [nothing, tokens]; rows sum to 1 or are 0."""
    real = attention[..., 1:] * batch.token_mask[:, None] * batch.frame_mask[..., None]
    return real / real.sum(-1, keepdim=True).clamp(min=1e-9)
