"""Reader of the Open Images detector: a TensorFlow Lite file (SSD-MobileNetV2, 300 pixels, 23 classes and background).

The numbers of operations and of the fields of their options are those of TensorFlow Lite's public schema.
"""

from enum import IntEnum

import numpy as np

from alignment.types import F32
from workers.detectors.conversion.layers import INPUT, Add, Builder, Conv, Head, Network
from workers.models.tflite import Operator, read

RELU6 = 3
GRIDS = (19, 10, 5, 3, 2, 1)  # positions along each side of the six feature maps
SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
RATIOS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)  # width to height
CLASSES = 24


class Operation(IntEnum):
    """The operations of the file."""

    ADD = 0
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEQUANTIZE = 6
    RESHAPE = 22


def read_open_images(data: bytes) -> Network:
    """Return the network of a TensorFlow Lite file."""
    return _Reader(data).network()


class _Reader:
    """Reads the operations in the order of the file."""

    def __init__(self, data: bytes) -> None:
        graph = read(data)
        self._tensors, self._operators = graph.tensors, graph.operators
        self._built = Builder()
        self._layers = dict.fromkeys(graph.inputs, INPUT)  # by tensor
        self._constants: dict[int, int] = {}  # the tensor of float16 weights, by that of the float32 ones
        self._parts: list[list[int]] = []  # the layers that are joined, for each concatenation

    def network(self) -> Network:
        """Return the network; raise ``ValueError`` on an operation that is not known."""
        for operator in self._operators:
            self._read(operator)
        boxes, classes = sorted(self._parts, key=lambda layers: len(self._conv_of(layers[0]).bias))
        heads = [Head(*pair) for pair in zip(boxes, classes, strict=True)]
        return Network(self._built.layers, heads, anchors(), CLASSES)

    def _read(self, operator: Operator) -> None:
        inputs, (output,) = operator.inputs, operator.outputs
        match Operation(operator.code):
            case Operation.DEQUANTIZE:
                self._constants[output] = inputs[0]
            case Operation.CONV_2D | Operation.DEPTHWISE_CONV_2D:
                self._layers[output] = self._conv(operator)
            case Operation.ADD:
                self._layers[output] = self._built.add(Add((self._layers[inputs[0]], self._layers[inputs[1]])))
            case Operation.RESHAPE if inputs[0] in self._layers:
                self._layers[output] = self._layers[inputs[0]]
            case Operation.CONCATENATION:  # of all heads' boxes, or of all heads' classes
                self._parts.append([self._layers[i] for i in inputs])

    def _conv(self, operator: Operator) -> int:
        depthwise, options = operator.code == Operation.DEPTHWISE_CONV_2D, operator.options
        assert options is not None
        source, weights, biases = operator.inputs
        weight = self._constant(weights).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        stride, activation = options.numbers_at(1, "i"), options.numbers_at(4 if depthwise else 3, "b")
        groups = len(weight) if depthwise else 1
        conv = Conv(self._layers[source], weight, self._constant(biases), stride, groups, activation == RELU6)
        return self._built.add(conv)

    def _constant(self, tensor: int) -> F32:
        return self._tensors[self._constants.get(tensor, tensor)].real()

    def _conv_of(self, layer: int) -> Conv:
        conv = self._built.layers[layer]
        assert isinstance(conv, Conv)
        return conv


def anchors() -> F32:
    """Return f32[1917, 4], the anchors of an SSD with six feature maps (Liu et al. 2016, MobileNet's variant)."""
    rows = []
    for layer, n in enumerate(GRIDS):
        if layer == 0:
            sizes = [(0.1, 1.0), (SCALES[0], 2.0), (SCALES[0], 0.5)]
        else:
            sizes = [(SCALES[layer], r) for r in RATIOS] + [((SCALES[layer] * SCALES[layer + 1]) ** 0.5, 1.0)]
        for y in range(n):
            for x in range(n):
                rows += [((x + 0.5) / n, (y + 0.5) / n, s * r**0.5, s / r**0.5) for s, r in sizes]
    return np.array(rows, np.float32)
