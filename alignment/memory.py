"""What the cross-attention network keeps between calls: the descriptions it has read, and the steps it remembers.

Those of several cameras can be joined, so that one pass answers them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field


@dataclass(frozen=True, slots=True)
class Names:
    """What the encoder knows by name: ``rows`` f32[K, D], zero where it knows nothing; ``like`` f32[B, K] calibrated.

    ``told`` bool[B]: whether a description is like any of them.
    """

    rows: Tensor
    known: Tensor  # bool[K] which rows are not zero
    like: Tensor
    told: Tensor


@dataclass(frozen=True, slots=True)
class Tokens:
    """A description's tokens: ``rows`` f32[B, N, D], ``mask`` bool[B, N], ``kind`` int64[B, N].

    ``state`` f32[B, N, C] and ``summary`` f32[B, C] are what the network makes of them, once per description;
    ``curve`` f32[B, 2] calibrates steps against them.
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
        """Return the descriptions of several as one, padded to the longest; all of one encoder, with names."""
        names = [t.names for t in parts if t.names]
        like, told = torch.cat([n.like for n in names]), torch.cat([n.told for n in names])
        return cls(
            _stack([t.rows for t in parts]),
            _stack([t.mask for t in parts]),
            _stack([t.kind for t in parts]),
            _stack([t.state for t in parts]),
            torch.cat([t.summary for t in parts]),
            torch.cat([t.curve for t in parts]),
            Names(names[0].rows, names[0].known, like, told),
        )


@dataclass(slots=True)
class Past:
    """What a matcher remembers of the P earlier steps of S sequences, which B descriptions are matched with.

    Rows f32[S, P, D], mask bool[S, P] and, per layer, keys and values f32[B, H, P, d].
    """

    rows: Tensor
    mask: Tensor
    keys: list[Tensor]
    values: list[Tensor]

    def keep(self, steps: int, window: int) -> None:
        """Forget all but the first ``steps``, and of those all but the last ``window``."""
        span = slice(max(0, steps - window), max(0, steps))
        self.rows, self.mask = self.rows[:, span], self.mask[:, span]
        self.keys = [k[:, :, span] for k in self.keys]
        self.values = [v[:, :, span] for v in self.values]

    @classmethod
    def join(cls, parts: Sequence["Past"]) -> "Past":
        """Return what is remembered of several, beginnings padded to the longest: steps count back from the last."""
        return cls(
            _stack([p.rows for p in parts], last=True),
            _stack([p.mask for p in parts], last=True),
            [_stack(keys, 2, last=True) for keys in zip(*(p.keys for p in parts), strict=True)],
            [_stack(values, 2, last=True) for values in zip(*(p.values for p in parts), strict=True)],
        )

    def part(self, sequence: int, descriptions: slice, steps: int) -> "Past":
        """Return a copy of the last ``steps`` of one sequence and its descriptions."""
        begin = self.mask.shape[1] - steps
        return Past(
            self.rows[sequence : sequence + 1, begin:].clone(),
            self.mask[sequence : sequence + 1, begin:].clone(),
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
