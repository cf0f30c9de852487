"""A convolutional detector as a list of layers: what the readers of packages return and the ONNX writer takes."""

from dataclasses import dataclass, field

import numpy as np

from alignment.types import F32

INPUT = -1  # the index of the network's input where layers are numbered


@dataclass(slots=True)
class Conv:
    """A convolution with TensorFlow's SAME padding: ``weight`` f32[out, in / groups, height, width].

    ``source`` is the index of the layer that it reads, or ``INPUT``.
    """

    source: int
    weight: F32
    bias: F32
    stride: int = 1
    groups: int = 1
    relu6: bool = False


@dataclass(slots=True)
class Add:
    """The sum of two layers of the same shape."""

    sources: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Head:
    """The layers that predict boxes and classes at each position of one feature map."""

    boxes: int
    classes: int


@dataclass(slots=True)
class Network:
    """Layers in order of computation, their heads, and the anchors in the order of the heads.

    ``anchors`` f32[A, 4]: centre x, centre y, width, height, relative to the picture. A head's box channels are
    (y, x, height, width) for each anchor of a position, its class channels ``classes`` for each anchor, the background
    first.
    """

    layers: list[Conv | Add]
    heads: list[Head]
    anchors: F32
    classes: int

    def select(self, columns: list[int]) -> None:
        """Keep only these classes, in this order, and put boxes into the order x, y, width, height."""
        for head in self.heads:
            self._reorder(head.boxes, 4, [1, 0, 3, 2])
            self._reorder(head.classes, self.classes, columns)
        self.classes = len(columns)

    def _reorder(self, layer: int, each: int, columns: list[int]) -> None:
        conv = self.layers[layer]
        assert isinstance(conv, Conv)
        channels = np.arange(len(conv.bias)).reshape(-1, each)[:, columns].ravel()
        conv.weight, conv.bias = conv.weight[channels], conv.bias[channels]


@dataclass(slots=True)
class Builder:
    """Collects layers and returns their indices."""

    layers: list[Conv | Add] = field(default_factory=list)

    def add(self, layer: Conv | Add) -> int:
        """Append a layer."""
        self.layers.append(layer)
        return len(self.layers) - 1
