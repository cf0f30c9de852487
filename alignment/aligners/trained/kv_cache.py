"""State of the cross-attention network between calls: encoded descriptions, and keys and values of past steps.

The states of several cameras can be joined, so that one forward pass serves them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field


@dataclass(frozen=True, slots=True)
class Names:
    """The encoder's vocabulary of names: ``rows`` f32[K, D], zero if unused; ``like`` f32[B, K], calibrated similarity.

    ``told`` bool[B]: whether a description is similar to any name. ``meant`` int64[B, M]: see ``meant_names``.
    ``panel``: whether cosines with frames are read as z-scores against the names.
    """

    rows: Tensor
    known: Tensor  # bool[K] which rows are not zero
    like: Tensor
    told: Tensor
    meant: Tensor
    panel: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """A description's tokens: ``rows`` f32[B, N, D], ``mask`` bool[B, N], ``kind`` int64[B, N].

    ``state`` f32[B, N, C] and ``summary`` f32[B, C] are computed by the network, once per description;
    ``curve`` f32[B, 2] is the calibration of their inner products with steps.
    """

    rows: Tensor
    mask: Tensor
    kind: Tensor
    state: Tensor
    summary: Tensor
    curve: Tensor
    names: Names | None = None

    @classmethod
    def join(cls, parts: Sequence["Tokens"]) -> "Tokens":
        """Join several sets of descriptions, padded to the longest; all must be of one encoder and have names."""
        names = [t.names for t in parts if t.names]
        like, told, meant = (torch.cat(x) for x in zip(*((n.like, n.told, n.meant) for n in names), strict=True))
        return cls(
            _stack([t.rows for t in parts]),
            _stack([t.mask for t in parts]),
            _stack([t.kind for t in parts]),
            _stack([t.state for t in parts]),
            torch.cat([t.summary for t in parts]),
            torch.cat([t.curve for t in parts]),
            Names(names[0].rows, names[0].known, like, told, meant, names[0].panel),
        )


@dataclass(slots=True)
class Past:
    """A matcher's cache of the P past steps of S sequences, which are matched with B descriptions.

    Rows f32[S, P, D], mask bool[S, P], scales f32[S, P, 3] of z-scores (``panel``; 0 without a panel) and, per layer,
    keys and values f32[B, H, P, d].
    """

    rows: Tensor
    mask: Tensor
    scales: Tensor
    keys: list[Tensor]
    values: list[Tensor]

    def keep(self, steps: int, window: int) -> None:
        """Cut the cache to the first ``steps`` steps, and of those to the last ``window``."""
        span = slice(max(0, steps - window), max(0, steps))
        self.rows, self.mask, self.scales = self.rows[:, span], self.mask[:, span], self.scales[:, span]
        self.keys = [k[:, :, span] for k in self.keys]
        self.values = [v[:, :, span] for v in self.values]

    @classmethod
    def join(cls, parts: Sequence["Past"]) -> "Past":
        """Join several caches, left-padded to the longest, so that their last steps are aligned."""
        return cls(
            _stack([p.rows for p in parts], last=True),
            _stack([p.mask for p in parts], last=True),
            _stack([p.scales for p in parts], last=True),
            [_stack(keys, 2, last=True) for keys in zip(*(p.keys for p in parts), strict=True)],
            [_stack(values, 2, last=True) for values in zip(*(p.values for p in parts), strict=True)],
        )

    def part(self, sequence: int, descriptions: slice, steps: int) -> "Past":
        """Return a copy of the last ``steps`` of one sequence and its descriptions."""
        begin = self.mask.shape[1] - steps
        return Past(
            self.rows[sequence : sequence + 1, begin:].clone(),
            self.mask[sequence : sequence + 1, begin:].clone(),
            self.scales[sequence : sequence + 1, begin:].clone(),
            [k[descriptions, :, begin:].clone() for k in self.keys],
            [v[descriptions, :, begin:].clone() for v in self.values],
        )


def _stack(parts: Sequence[Tensor], axis: int = 1, last: bool = False) -> Tensor:
    """Concatenate over axis 0, ``axis`` padded with zeros to the longest: at its end, or with ``last`` before it."""
    longest = max(x.shape[axis] for x in parts)

    def padded(x: Tensor) -> Tensor:
        missing = longest - x.shape[axis]
        return F.pad(x, [0, 0] * (x.dim() - 1 - axis) + ([missing, 0] if last else [0, missing])) if missing else x

    return torch.cat([padded(x) for x in parts])
