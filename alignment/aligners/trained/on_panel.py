"""What the network makes of z-scores against a panel of names (``alignment/panel``)."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, pad

from alignment.panel import NAMES, SIMILARITY

ROPE = 3.0  # how far the network's answer may lie from that of similarity, in logits
MOST = 12.0  # of a logit of similarity


def z_scores(cosines: Tensor, scale: Tensor) -> Tensor:
    """Return cosines f32[B, T, N] of clips and texts as z-scores; ``scale`` f32[B or 1, T, 3]."""
    mean, deviation, r = scale[..., None].unbind(-2)
    return r * (cosines - mean) / deviation


def name_evidence(cosines: Tensor, scale: Tensor) -> Tensor:
    """Return the cosines f32[S, T, K] of clips and panel as evidence of names, with the spread that ``lite`` has."""
    mean, deviation, _ = scale[..., None].unbind(-2)
    return NAMES * (cosines - mean) / deviation


def similarity(wanted: Tensor, unwanted: Tensor, mask: Tensor) -> Tensor:
    """Return logits f32[B, T] of the aligner ``similarity``, from z-scores of the description and its best contrast.

    ``mask`` bool[B or 1, T] is True where a frame was seen.
    """
    wanted, unwanted = _smooth(wanted, mask), _smooth(unwanted, mask)
    log_p = logsigmoid(SIMILARITY.scale * (wanted - SIMILARITY.midpoint))
    log_p = log_p + logsigmoid(SIMILARITY.scale * (wanted - unwanted))
    return (log_p - torch.log(-torch.expm1(log_p) + 1e-9)).clamp(-MOST, MOST)


def near(logit: Tensor, similar: Tensor) -> Tensor:
    """Return ``logit`` drawn to within ``ROPE`` of ``similar``: no space can make the network much worse than that."""
    return similar + ROPE * torch.tanh((logit - similar) / ROPE)


def _smooth(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over each clip and its two neighbours, as far as they were seen."""
    total, count = (
        y[..., :-2] + y[..., 1:-1] + y[..., 2:]
        for y in (pad(torch.where(mask, x, 0.0), (1, 1)), pad(mask.to(x), (1, 1)))
    )
    return total / count.clamp(min=1)
