"""Magnitude pruning: it makes the compressed file of a network smaller, but saves neither memory nor time.

The weights of smallest magnitude are set to zero (Han et al. 2015). Zeros compress well in a file; dense products take
as long as before. ``aligners.int8`` and ``training.distilling`` also make a network smaller in memory.
"""

import copy
import zlib
from collections.abc import Callable

from safetensors.torch import save
from torch import nn
from torch.nn.utils import prune

from alignment.aligners.int8 import Model
from alignment.options import OptionError


def pruned(model: Model, share: float, retrain: Callable[[Model], object] | None = None) -> Model:
    """Return a copy in which the ``share`` of linear weights with the smallest magnitude over all layers is zero.

    ``retrain`` may train the copy in place before it is returned; pruned weights stay zero.
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
    """Return the size in bytes of a model's safetensors file, and of that file compressed (DEFLATE, as in gzip)."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    return len(data), len(zlib.compress(data, 9))
