"""Smaller files of a network. ``alignment/int8`` and ``alignment/training/distilling`` make it smaller in memory too.

Pruning by magnitude sets the weights nearest to zero to zero (Han et al. 2015). They compress well when they are
stored; a dense product takes as long as before, so it saves nothing in memory or time.
"""

import copy
import zlib
from collections.abc import Callable

from safetensors.torch import save
from torch import nn
from torch.nn.utils import prune

from alignment.int8 import Model
from alignment.options import OptionError


def pruned(model: Model, share: float, retrain: Callable[[Model], object] | None = None) -> Model:
    """Return a copy without the ``share`` of linear weights that are smallest over all layers; the copy stays so.

    ``retrain`` may train the copy in place between: what was pruned stays zero.
    """
    if not 0 <= share < 1:
        raise OptionError(f"a share of {share} cannot be pruned", "give 0 or more, and less than 1")
    smaller = copy.deepcopy(model)
    layers = [(m, "weight") for m in smaller.modules() if isinstance(m, nn.Linear)]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=share)
    if retrain:
        retrain(smaller)
    for layer, name in layers:
        prune.remove(layer, name)  # type: ignore[no-untyped-call]  # untyped in torch
    return smaller.eval()


def stored_bytes(model: nn.Module) -> tuple[int, int]:
    """Return the bytes of a model's safetensors file, and of that file compressed (DEFLATE, as zip and gzip)."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    return len(data), len(zlib.compress(data, 9))
