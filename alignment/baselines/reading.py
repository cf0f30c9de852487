"""Input layers of the methods of this package: clips and descriptions of a batch, projected to width W."""

import torch
from torch import Tensor, nn

from alignment.aligners.trained.batches import Batch, TokenKind
from alignment.errors import FeatureError


class Entry(nn.Module):
    """LN(W·x) for rows and tokens of one embedding space; tokens get a kind embedding and a leading null token.

    One projection for both preserves their similarity. The null token lets a clip attend to nothing, and is the only
    token if a description has no words in this space.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.project, self.norm = nn.Linear(dim, width), nn.LayerNorm(width)
        self.kind = nn.Parameter(0.1 * torch.randn(len(TokenKind), width))
        self.nothing = nn.Parameter(0.1 * torch.randn(width))

    def rows(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return f32[B, T, W] of x f32[B, T, D]; 0 where ``mask`` is False. Raise ``FeatureError`` if D is wrong."""
        if x.shape[2] != self.project.in_features:
            if mask.any():  # a batch without rows has no valid width
                raise FeatureError(
                    f"features have width {x.shape[2]}, the method expects {self.project.in_features}",
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
    """Return the mean utterance embedding of each clip f32[B, T, D'], and whether it has one bool[B, T]."""
    words = (batch.covers & batch.utterance_mask[:, None]).float()
    count = words.sum(-1, keepdim=True)
    return words @ batch.utterances / count.clamp(min=1), count[..., 0] > 0


def shown(attention: Tensor, batch: Batch) -> Tensor:
    """Return attention f32[B, T, N] over real tokens, without the null token; rows sum to 1 or are 0."""
    real = attention[..., 1:] * batch.token_mask[:, None] * batch.frame_mask[..., None]
    return real / real.sum(-1, keepdim=True).clamp(min=1e-9)
