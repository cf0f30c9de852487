"""What a clip looks like more than like the name that a description means.

"A Bedlington terrier" means one of the names that ``lite`` knows, and a Sealyham terrier looks like it, too: the names
of their classes are close. But in frames of a Bedlington terrier its own name is the nearest of all. So a description
that means a name loses probability where a clip is clearly nearer to another one (ADR 53).
"""

import torch
from torch import Tensor

MEANT = 0.9  # likeness of a description and its nearest name, from which it means that name
AS_WELL = 0.1  # less than that likeness: names that are meant, too ("maillot" has two classes)
MOST = 8  # names that a description means
FREE = 1.5  # logits by which another name may be nearer: a clip shows more than one thing


def meant_names(likeness: Tensor) -> Tensor:
    """Return int64[B, M]: the numbers of the names that descriptions mean, some repeated; −1 where they mean none.

    ``likeness`` f32[B, K] of descriptions and names is on the scale of MiniLM's cosines.
    """
    like, place = likeness.topk(min(MOST, likeness.shape[-1]))
    nearest = like[:, :1]
    place = torch.where(like >= nearest - AS_WELL, place, place[:, :1])
    return torch.where(nearest >= MEANT, place, -1)


def nearer_to_another(known: Tensor, meant: Tensor, scale: Tensor) -> Tensor:
    """Return f32[B, T], logits: by how much more than ``FREE`` clips are nearer to another name than to a meant one.

    ``known`` f32[B, T, K] are the cosines of clips and names, ``meant`` is of ``meant_names``, and ``scale`` f32[B] has
    the logits of a cosine of 1.
    """
    place = meant.clamp(min=0)[:, None].expand(-1, known.shape[1], -1)
    nearer = scale[:, None] * (known.amax(-1) - known.gather(2, place).amax(-1)) - FREE
    return nearer.clamp(min=0) * (meant[:, :1] >= 0)
