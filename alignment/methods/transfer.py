"""Transfer: which parts of a trained method learn on (Yosinski et al. 2014)."""

from collections.abc import Sequence

from torch import nn

from alignment.options import OptionError


def freeze(module: nn.Module, names: Sequence[str]) -> int:
    """Let the named parts (``seen.entry``) keep their weights from now on; return how many numbers still learn.

    Raise ``OptionError`` for a name that no part has.
    """
    for name in names:
        if name not in dict(module.named_modules()):
            parts = ", ".join(n for n, _ in module.named_children())
            raise OptionError(f"no part of the model is called {name!r}", f"known at the top: {parts}")
        module.get_submodule(name).requires_grad_(False)
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
