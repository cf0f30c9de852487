"""A baseline after Moment-DETR, in our own code: a set of moments is matched one to one with the true windows.

Source: Lei et al. 2021, "Detecting Moments and Highlights in Videos via Natural Language Queries".
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from alignment.aligners.trained.batches import Batch, Outputs, Targets
from alignment.baselines.fusion import FusionSize, JointEncoder
from alignment.baselines.reading import Entry, heard, shown
from alignment.layers import DecoderLayer
from alignment.training.losses import TotalAndParts, foreground_clips, generalised_iou
from alignment.types import F64

# The paper's weights of the terms, the weight of "no moment", and the margin of the saliencies.
L1, GIOU, CLASS, SALIENCY = 10.0, 1.0, 4.0, 1.0
NO_MOMENT = 0.1
MARGIN = 0.2


@dataclass(frozen=True, slots=True)
class MomentDetrOptions:
    """The size. The paper has 2 + 2 layers, width 256, 8 heads, hidden 1024, 10 queries; the default is smaller."""

    size: FusionSize = field(default_factory=lambda: FusionSize(layers=2))
    queries: int = 10


@dataclass(frozen=True, slots=True)
class MomentOutputs(Outputs):
    """Outputs per clip, derived from the moments, and the moments themselves."""

    moments: Tensor  # f32[B, Q, 2] start and end, clips from the window's start
    moment_logits: Tensor  # f32[B, Q, 2] "a moment" and "no moment"


class MomentDetr(nn.Module):
    """Encoder over [clips; words], decoder with Q learned queries, each giving a centre, a width and a class.

    A clip's foreground is the highest probability of a moment over its middle. Only ``loss`` is used for training.
    """

    def __init__(self, options: MomentDetrOptions, frame_dim: int, sentence_dim: int) -> None:
        super().__init__()
        size = options.size
        shape = size.width, size.heads, size.hidden, size.dropout
        self.seen, self.said = Entry(frame_dim, size.width), Entry(sentence_dim, size.width)
        self.sound = nn.Linear(1, size.width)
        self.encoder = JointEncoder(size)
        self.decoder = nn.ModuleList(DecoderLayer(*shape) for _ in range(size.layers))
        self.norm, self.norm_moments = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.queries = nn.Parameter(torch.randn(options.queries, size.width))
        self.moment = nn.Sequential(nn.Linear(size.width, size.width), nn.ReLU(), nn.Linear(size.width, 2))
        self.classify, self.saliency = nn.Linear(size.width, 2), nn.Linear(size.width, 1)

    def forward(self, batch: Batch) -> MomentOutputs:
        """Return the outputs of a batch."""
        clips, tokens, token_mask = self._inputs(batch)
        length, described = clips.shape[1], 1 + batch.tokens.shape[1]
        memory, mask, attention = self.encoder(clips, batch.clip_mask, tokens, token_mask)
        memory = self.norm(memory)
        found = self.queries.expand(len(clips), -1, -1)
        for layer in self.decoder:
            found = layer(found, memory, mask)
        found = self.norm_moments(found)
        centre, width = (torch.sigmoid(self.moment(found)) * batch.clip_mask.sum(1)[:, None, None]).unbind(-1)
        moments = torch.stack([centre - width / 2, centre + width / 2], -1)
        logits = self.classify(found)
        foreground, offsets = _on_clips(moments, logits, length)
        saliency = self.saliency(memory[:, :length])[..., 0]
        shares = (batch.prior / batch.prior.sum(1, keepdim=True))[:, None].expand(-1, length, -1)
        words = shown(attention[..., :described], batch)
        return MomentOutputs(foreground, offsets, saliency, shares, words, moments, logits)

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return clips f32[B, T, W] with frames, speech and sound events; all tokens, and their mask."""
        spoken, spoken_mask = heard(batch)
        clips = self.seen.rows(batch.frames, batch.frame_mask) + self.said.rows(spoken, spoken_mask)
        clips = clips + torch.where(batch.sound_mask[..., None], self.sound(batch.sound[..., None]), 0.0)
        seen, seen_mask = self.seen.tokens(batch.tokens, batch.token_mask, batch.token_kind)
        said, said_mask = self.said.tokens(batch.said, batch.said_mask, batch.said_kind)
        return clips, torch.cat([seen, said], 1), torch.cat([seen_mask, said_mask], 1)

    def loss(self, outputs: Outputs, targets: Targets) -> TotalAndParts:
        """10·L1 + (1 − gIoU) of matched moments + 4·cross-entropy of all + hinge of the saliencies.

        Moments are compared in units of the window's length, as in the paper.
        """
        if not isinstance(outputs, MomentOutputs):
            raise TypeError("this loss needs MomentOutputs")
        length = targets.clip_mask.sum(1).clamp(min=1)
        true = [windows / clips for windows, clips in zip(_windows(targets), length, strict=True)]
        found = outputs.moments.float() / length[:, None, None]
        logits = outputs.moment_logits.float()
        matched = [_match(f, lg, t) for f, lg, t in zip(found, logits, true, strict=True)]
        wanted = torch.ones(logits.shape[:2], dtype=torch.long, device=logits.device)
        for i, (queries, _) in enumerate(matched):
            wanted[i, queries] = 0
        ours = torch.cat([f[q] for f, (q, _) in zip(found, matched, strict=True)])
        theirs = torch.cat([t[w] for t, (_, w) in zip(true, matched, strict=True)])
        count = max(1, len(ours))
        weight = logits.new_tensor([1.0, NO_MOMENT])
        parts = {
            "l1": (_centre_width(ours) - _centre_width(theirs)).abs().sum() / count,
            "giou": (1 - generalised_iou(ours, theirs)).sum() / count,
            "class": nnf.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weight),
            "saliency": _hinge(outputs.saliency.float(), targets),
        }
        total = L1 * parts["l1"] + GIOU * parts["giou"] + CLASS * parts["class"] + SALIENCY * parts["saliency"]
        return total, {name: part.detach() for name, part in parts.items()}


def _on_clips(moments: Tensor, logits: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the foreground logit f32[B, T] and offsets f32[B, T, 2] of each clip by its most probable moment."""
    middle = torch.arange(length, device=moments.device) + 0.5
    inside = (moments[..., :1] <= middle) & (middle <= moments[..., 1:])  # [B, Q, T]
    odds = torch.where(inside, (logits[..., 0] - logits[..., 1])[..., None], -10.0)
    foreground, best = odds.max(1)
    chosen = moments.gather(1, best[..., None].expand(-1, -1, 2))
    return foreground, torch.stack([middle - chosen[..., 0], chosen[..., 1] - middle], -1).clamp(min=0)


def _windows(targets: Targets) -> list[Tensor]:
    """Derive the true windows f32[W, 2] of each example from the offsets; unit: clips from the window's start."""
    middle = torch.arange(targets.foreground.shape[1], device=targets.foreground.device) + 0.5
    reach = torch.stack([middle - targets.offsets[..., 0], middle + targets.offsets[..., 1]], -1)
    return [_distinct(r[i]) for r, i in zip(reach, foreground_clips(targets), strict=True)]


def _distinct(reach: Tensor) -> Tensor:
    """Reduce one row [start, end] per clip to one per window: a row is a new window if the previous one has ended."""
    new = reach[1:, 0] >= reach[:-1, 1] - 0.5  # tolerance of half a clip, for clips of unequal length
    return torch.cat([reach[:1], reach[1:][new]])


@torch.no_grad()
def _match(found: Tensor, logits: Tensor, true: Tensor) -> tuple[list[int], list[int]]:
    """Return the queries and true windows of the assignment with the least cost."""
    l1 = torch.cdist(_centre_width(found), _centre_width(true), p=1)
    cost = L1 * l1 - GIOU * generalised_iou(found[:, None], true[None]) - CLASS * logits.softmax(-1)[:, :1]
    pairs = assign(np.nan_to_num(cost.cpu().numpy().astype(np.float64))) if len(true) else []
    return [q for q, _ in pairs], [w for _, w in pairs]


def _centre_width(x: Tensor) -> Tensor:
    return torch.stack([x.mean(-1), x[..., 1] - x[..., 0]], -1)


def _hinge(saliency: Tensor, targets: Targets) -> Tensor:
    """max(0, Δ + s⁻ − s⁺), s⁺ a random foreground clip and s⁻ a random background one of each window with both."""
    inside = foreground_clips(targets)
    outside = targets.clip_mask & ~inside
    both = inside.any(1) & outside.any(1)
    if not both.any():
        return saliency.sum() * 0.0
    pick = [torch.multinomial(mask[both].float(), 1) for mask in (inside, outside)]
    high, low = (saliency[both].gather(1, index) for index in pick)
    return (MARGIN + low - high).clamp(min=0).mean()


def assign(cost: F64) -> list[tuple[int, int]]:
    """Return the assignment (row, column) with the least total cost f64[R, C], min(R, C) pairs sorted by row.

    One shortest augmenting path per row over reduced costs: O(R²·C), about 0.1 ms for 3 × 10. Costs must be finite.
    """
    rows, columns = cost.shape
    if rows > columns:
        return sorted((r, c) for c, r in assign(cost.T))
    # Row and column 0 are sentinels: a column with row 0 is free, and each path starts at column 0.
    row_price, column_price = np.zeros(rows + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, np.int64)
    for row in range(1, rows + 1):
        row_of[0] = row
        column, came_from = _path(cost, row_of, row_price, column_price)
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return sorted((int(row_of[c]) - 1, c - 1) for c in range(1, columns + 1) if row_of[c])


def _path(cost: F64, row_of: np.ndarray, row_price: F64, column_price: F64) -> tuple[int, np.ndarray]:
    """Return the free column at the end of the shortest path from column 0, and each column's predecessor.

    Prices are updated so that no reduced cost is below 0 and all on the path are 0.
    """
    length = np.full(len(row_of), np.inf)
    visited = np.zeros(len(row_of), np.bool_)
    came_from = np.zeros(len(row_of), np.int64)
    column = 0
    while True:
        visited[column] = True
        row = row_of[column]
        reduced = np.append(np.inf, cost[row - 1] - row_price[row] - column_price[1:])
        shorter = ~visited & (reduced < length)
        length[shorter], came_from[shorter] = reduced[shorter], column
        column = int(np.argmin(np.where(visited, np.inf, length)))
        step = length[column]
        row_price[row_of[visited]] += step
        column_price[visited] -= step
        length[~visited] -= step
        if not row_of[column]:
            return column, came_from
