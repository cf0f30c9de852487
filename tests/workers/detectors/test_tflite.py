"""The reader of TensorFlow Lite files, on a small file that the FlatBuffers library writes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from workers.detectors.conversion.layers import INPUT, Add, Conv
from workers.detectors.conversion.tflite import Operation, read_open_images

flatbuffers = pytest.importorskip("flatbuffers")

FLOAT32, FLOAT16 = 0, 1
OPERATIONS = list(Operation)


class Writer:
    """Writes the tables of a model; ``tensors`` and ``buffers`` go in parallel."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)
        self.tensors: list[int] = []
        self.buffers: list[int] = []
        self.operators: list[int] = []

    def table(self, fields: dict[int, tuple[str, int]]) -> int:
        """Write a table: by the number of a field its kind (Int8, Int32, UOffsetTRelative …) and value."""
        self.builder.StartObject(max(fields, default=-1) + 1)
        for number, (kind, number_or_place) in fields.items():
            getattr(self.builder, f"Prepend{kind}Slot")(number, number_or_place, 0)
        return int(self.builder.EndObject())

    def vector(self, places: Sequence[int]) -> tuple[str, int]:
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        return "UOffsetTRelative", int(self.builder.EndVector())

    def array(self, values: np.ndarray) -> tuple[str, int]:
        return "UOffsetTRelative", int(self.builder.CreateNumpyVector(values))

    def tensor(self, array: np.ndarray | None = None) -> int:
        """Add a tensor, of constants or of values that the network computes; return its number."""
        data = np.zeros(0, np.uint8) if array is None else np.frombuffer(array.tobytes(), np.uint8)
        shape = self.array(np.array([] if array is None else array.shape, np.int32))
        half = array is not None and array.dtype == np.float16
        self.buffers.append(self.table({0: self.array(data)}))
        kind = FLOAT16 if half else FLOAT32
        self.tensors.append(self.table({0: shape, 1: ("Int8", kind), 2: ("Uint32", len(self.buffers) - 1)}))
        return len(self.tensors) - 1

    def operate(
        self, operation: Operation, inputs: list[int], options: dict[int, tuple[str, int]] | None = None
    ) -> int:
        """Add an operation; return the number of its result."""
        result = self.tensor()
        read, written = (self.array(np.array(numbers, np.int32)) for numbers in (inputs, [result]))
        fields = {0: ("Uint32", OPERATIONS.index(operation)), 1: read, 2: written}
        if options is not None:
            fields[4] = ("UOffsetTRelative", self.table(options))
        self.operators.append(self.table(fields))
        return result

    def file(self, image: int) -> bytes:
        codes = self.vector([self.table({0: ("Int8", code)}) for code in OPERATIONS])
        taken = self.array(np.array([image], np.int32))
        tensors, operators = self.vector(self.tensors), self.vector(self.operators)
        graph = self.vector([self.table({0: tensors, 1: taken, 3: operators})])
        self.builder.Finish(self.table({1: codes, 2: graph, 4: self.vector(self.buffers)}))
        return bytes(self.builder.Output())


def stride(pixels: int, activation: int, depthwise: bool = False) -> dict[int, tuple[str, int]]:
    fields = {1: ("Int32", pixels), 2: ("Int32", pixels), 3: ("Int8", activation)}
    if depthwise:
        fields |= {3: ("Int32", 1), 4: ("Int8", activation)}
    return fields


def test_layers_and_heads_are_those_of_the_file() -> None:
    rng, w = np.random.default_rng(4), Writer()
    made: dict[str, np.ndarray] = {}

    def constant(name: str, *shape: int, dtype: Any = np.float16) -> int:
        made[name] = rng.normal(size=shape).astype(dtype)
        tensor = w.tensor(made[name])
        return w.operate(Operation.DEQUANTIZE, [tensor]) if dtype == np.float16 else tensor

    image = w.tensor()
    first = [image, constant("first", 4, 3, 3, 3), constant("first bias", 4, dtype=np.float32)]
    x = w.operate(Operation.CONV_2D, first, stride(2, 3))
    deep = [x, constant("deep", 1, 3, 3, 4), constant("deep bias", 4)]
    y = w.operate(Operation.DEPTHWISE_CONV_2D, deep, stride(1, 3, depthwise=True))
    y = w.operate(Operation.ADD, [y, x])
    heads: dict[str, list[int]] = {"classes": [], "boxes": []}
    for kind, columns in (("classes", 24), ("boxes", 4)):
        for i in range(2):
            given = [y, constant(f"{kind} {i}", columns * 3, 1, 1, 4), constant(f"{kind} bias {i}", columns * 3)]
            found = w.operate(Operation.CONV_2D, given, stride(1, 0))
            heads[kind].append(w.operate(Operation.RESHAPE, [found]))
        joined = w.operate(Operation.CONCATENATION, heads[kind])
        w.operate(Operation.RESHAPE, [joined])

    network = read_open_images(w.file(image))
    conv, depthwise, total, *predicted = network.layers
    assert isinstance(conv, Conv)
    assert (conv.source, conv.stride, conv.groups, conv.relu6) == (INPUT, 2, 1, True)
    np.testing.assert_array_equal(conv.weight, made["first"].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(conv.bias, made["first bias"])
    assert isinstance(depthwise, Conv)
    assert (depthwise.source, depthwise.stride, depthwise.groups, depthwise.relu6) == (0, 1, 4, True)
    np.testing.assert_array_equal(depthwise.weight, made["deep"].transpose(3, 0, 1, 2))
    assert total == Add((1, 0))
    assert [(h.boxes, h.classes) for h in network.heads] == [(5, 3), (6, 4)]
    for index, (name, bias) in {3: ("classes 0", "classes bias 0"), 6: ("boxes 1", "boxes bias 1")}.items():
        layer = predicted[index - 3]
        assert isinstance(layer, Conv)
        assert not layer.relu6
        np.testing.assert_array_equal(layer.weight, made[name].transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(layer.bias, made[bias])
