"""Registry of methods by name, as the configuration chooses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.baselines.fused import FusedMethod, FusedOptions
from alignment.baselines.moment_detr import MomentDetr, MomentDetrOptions
from alignment.options import OptionError, choose


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """The name of the method (of ``METHODS``), and the options of each; only those of the chosen one are used."""

    name: str = "watchword"
    watchword: ModelConfig = field(default_factory=ModelConfig)
    fused: FusedOptions = field(default_factory=FusedOptions)
    moment_detr: MomentDetrOptions = field(default_factory=MomentDetrOptions)

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for an unknown name."""
        choose("method", self.name, METHODS)


class Builder(Protocol):
    """Builds a method for a frame space and a sentence space of given widths."""

    def __call__(self, options: MethodOptions, frame_dim: int, sentence_dim: int) -> nn.Module:
        """Return the method with random initial weights."""
        ...


METHODS: Mapping[str, Builder] = {
    "watchword": lambda options, frame_dim, sentence_dim: CrossAttention(options.watchword),
    "fused": lambda options, frame_dim, sentence_dim: FusedMethod(options.fused, frame_dim, sentence_dim),
    "moment_detr": lambda options, frame_dim, sentence_dim: MomentDetr(options.moment_detr, frame_dim, sentence_dim),
}


def build_method(options: MethodOptions, frame_dim: int, sentence_dim: int) -> nn.Module:
    """Return a method, ``forward(Batch) -> Outputs``, with initial weights from torch's random generator."""
    return METHODS[options.name](options, frame_dim, sentence_dim)


def freeze(module: nn.Module, names: Sequence[str]) -> int:
    """Freeze the named parts (such as ``seen.entry``); return the number of parameters that are still trainable.

    Raise ``OptionError`` for a name that no part has.
    """
    for name in names:
        if name not in dict(module.named_modules()):
            parts = ", ".join(n for n, _ in module.named_children())
            raise OptionError(f"no part of the model is called {name!r}", f"top-level parts: {parts}")
        module.get_submodule(name).requires_grad_(False)
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
