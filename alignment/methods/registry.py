"""Methods by name, as a config chooses them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from alignment.methods.fused import FusedMethod, FusedOptions
from alignment.methods.moment_detr import MomentDetr, MomentDetrOptions
from alignment.model import CrossAttention, ModelConfig
from alignment.options import choose


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """Which method (of ``METHODS``), and the options of each: those of the others are not read."""

    name: str = "watchword"
    watchword: ModelConfig = field(default_factory=ModelConfig)
    fused: FusedOptions = field(default_factory=FusedOptions)
    moment_detr: MomentDetrOptions = field(default_factory=MomentDetrOptions)

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a name nobody knows."""
        choose("method", self.name, METHODS)


class Builder(Protocol):
    """Makes a method for a frame space and a sentence space of given widths."""

    def __call__(self, options: MethodOptions, frame_dim: int, sentence_dim: int) -> nn.Module:
        """Return it with fresh weights."""
        ...


METHODS: Mapping[str, Builder] = {
    "watchword": lambda options, frame_dim, sentence_dim: CrossAttention(options.watchword),
    "fused": lambda options, frame_dim, sentence_dim: FusedMethod(options.fused, frame_dim, sentence_dim),
    "moment_detr": lambda options, frame_dim, sentence_dim: MomentDetr(options.moment_detr, frame_dim, sentence_dim),
}


def build_method(options: MethodOptions, frame_dim: int, sentence_dim: int) -> nn.Module:
    """Return a method, ``forward(Batch) -> Outputs``, with fresh weights from torch's random numbers."""
    return METHODS[options.name](options, frame_dim, sentence_dim)
