"""The standard architecture as one configurable method: project → fuse with the text → mix over time → heads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from alignment.aligners.trained.batches import Batch, Outputs
from alignment.baselines.fusion import FUSIONS, FusionSize
from alignment.baselines.reading import Entry, heard, shown
from alignment.layers import SEQUENCE_ENCODERS
from alignment.options import OptionError, choose

HEADS: Mapping[str, int] = {"foreground": 1, "offsets": 2, "saliency": 1}  # name: outputs per clip
ABSENT = 20.0  # subtracted from the logit of a modality without evidence


@dataclass(frozen=True, slots=True)
class FusedOptions:
    """The choice of components. ``heads``: "foreground", and the tasks learned with it (multi-task; Caruana 1997)."""

    fusion: str = "cross_attention"
    over_time: str = "gru"
    heads: tuple[str, ...] = tuple(HEADS)
    size: FusionSize = field(default_factory=FusionSize)

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for unknown names, or without the head "foreground"."""
        choose("fusion", self.fusion, FUSIONS)
        choose("sequence encoder", self.over_time, SEQUENCE_ENCODERS)
        for head in self.heads:
            choose("head", head, HEADS)
        if "foreground" not in self.heads:
            raise OptionError(f"heads {self.heads} do not decide events", "add 'foreground'")


class _Reader(nn.Module):
    """Reader of one modality: clips fused with the description in the same embedding space."""

    def __init__(self, dim: int, options: FusedOptions) -> None:
        super().__init__()
        self.entry = Entry(dim, options.size.width)
        self.fusion = FUSIONS[options.fusion](options.size)
        self.norm = nn.LayerNorm(options.size.width)

    def forward(
        self, rows: Tensor, mask: Tensor, clip_mask: Tensor, described: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return f32[B, T, W], 0 where ``mask`` is False, and the attention f32[B, T, 1 + N]."""
        tokens, token_mask = self.entry.tokens(*described)
        fused = self.fusion(self.entry.rows(rows, mask), clip_mask, tokens, token_mask)
        return torch.where(mask[..., None], self.norm(fused.state), 0.0), fused.attention


class FusedMethod(nn.Module):
    """Σₘ gₘ·fusionₘ(clips, words) over modalities m, mixed over time, read by the heads.

    The gates g = softmax(W·[states] + log prior) over the available modalities are the shares. The output of a head
    that is switched off is fixed: offsets of half a clip each way; saliency equal to the foreground logit.
    """

    def __init__(self, options: FusedOptions, frame_dim: int, sentence_dim: int) -> None:
        super().__init__()
        width = options.size.width
        self.seen, self.said = _Reader(frame_dim, options), _Reader(sentence_dim, options)
        self.sound = nn.Linear(1, width)
        self.gate = nn.Linear(3 * width, 3)
        self.over_time = SEQUENCE_ENCODERS[options.over_time](width)
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, HEADS[name]) for name in options.heads})

    def forward(self, batch: Batch) -> Outputs:
        """Return the outputs of a batch."""
        spoken, spoken_mask = heard(batch)
        described = batch.tokens, batch.token_mask, batch.token_kind
        seen, attention = self.seen(batch.frames, batch.frame_mask, batch.clip_mask, described)
        said, _ = self.said(spoken, spoken_mask, batch.clip_mask, (batch.said, batch.said_mask, batch.said_kind))
        sound = torch.where(batch.sound_mask[..., None], self.sound(batch.sound[..., None]), 0.0)
        states = torch.stack([seen, said, sound], -2)  # [B, T, 3, W]
        present = torch.stack([batch.frame_mask, spoken_mask, batch.sound_mask], -1)
        shares = self._shares(states, present, batch.prior)
        state = self.norm(self.over_time((shares[..., None] * states).sum(-2), batch.clip_mask))
        return self._outputs(state, shares, shown(attention, batch))

    def _shares(self, states: Tensor, present: Tensor, prior: Tensor) -> Tensor:
        logits = self.gate(states.flatten(2)) + torch.log(prior + 1e-6)[:, None]
        shares: Tensor = (logits - ABSENT * ~present).softmax(-1)
        return shares

    def _outputs(self, state: Tensor, shares: Tensor, attention: Tensor) -> Outputs:
        found = {name: head(state) for name, head in self.heads.items()}
        foreground = found["foreground"][..., 0]
        offsets = nnf.softplus(found["offsets"]) if "offsets" in found else torch.full_like(state[..., :2], 0.5)
        saliency = found["saliency"][..., 0] if "saliency" in found else foreground
        return Outputs(foreground, offsets, saliency, shares, attention)
