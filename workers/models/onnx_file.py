"""Writer of ONNX files: the few protobuf messages that a convolutional network needs (no package `onnx`).

The numbers of fields are those of ONNX's public schema (onnx.proto3). ``Graph.weights`` stores float16 and
casts when the file is loaded: half the size on disk, float32 in computation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

IR_VERSION, OPSET = 8, 17
DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7, "float16": 10}
FLOAT, INT, INTS = 1, 2, 7  # kinds of attributes

Attribute = int | float | Iterable[int]


@dataclass(slots=True)
class Graph:
    """A graph under construction. Names of values are numbered; every method returns the name of its result."""

    nodes: list[bytes] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    values: int = 0

    def constant(self, array: np.ndarray) -> str:
        """Add a constant as it is."""
        name = self._name()
        dims = b"".join(_number(1, n) for n in array.shape)
        kind = _number(2, DTYPES[array.dtype.name])
        little = array.astype(array.dtype.newbyteorder("<"))
        self.constants.append(_bytes(5, dims + kind + _text(8, name) + _bytes(9, little.tobytes())))
        return name

    def number(self, value: float) -> str:
        """Add a float32 constant without dimensions."""
        return self.constant(np.array(value, np.float32))

    def weights(self, array: np.ndarray) -> str:
        """Add a constant that is stored as float16 and used as float32."""
        return self.node("Cast", [self.constant(array.astype(np.float16))], to=DTYPES["float32"])

    def node(self, operation: str, inputs: Iterable[str], outputs: int = 1, **attributes: Attribute) -> str:
        """Add an operation; of several outputs this returns the first, and ``NAME.1`` is the second."""
        name = self._name()
        results = [name] + [f"{name}.{i}" for i in range(1, outputs)]
        parts = [_text(1, i) for i in inputs] + [_text(2, r) for r in results] + [_text(4, operation)]
        parts += [_attribute(key, value) for key, value in attributes.items()]
        self.nodes.append(_bytes(1, b"".join(parts)))
        return name

    def model(self, inputs: Mapping[str, tuple[str, tuple[int | str, ...]]], outputs: Mapping[str, str]) -> bytes:
        """Return the file. ``inputs``: type and shape by name; ``outputs``: the value behind each name, all float32."""
        named = [_bytes(1, _text(1, v) + _text(2, k) + _text(4, "Identity")) for k, v in outputs.items()]
        taken = [_bytes(11, _value(name, *kind)) for name, kind in inputs.items()]
        given = [_bytes(12, _value(name, "float32", None)) for name in outputs]
        graph = b"".join([*self.nodes, *named, _text(2, "detector"), *self.constants, *taken, *given])
        opset = _bytes(8, _text(1, "") + _number(2, OPSET))
        return _number(1, IR_VERSION) + _text(2, "watchword") + _bytes(7, graph) + opset

    def _name(self) -> str:
        self.values += 1
        return f"v{self.values}"


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        body = _varint(2 << 3 | 5) + np.float32(value).tobytes() + _number(20, FLOAT)
    elif isinstance(value, int):
        body = _number(3, value) + _number(20, INT)
    else:
        body = b"".join(_number(8, i) for i in value) + _number(20, INTS)
    return _bytes(5, _text(1, name) + body)


def _value(name: str, dtype: str, shape: tuple[int | str, ...] | None) -> bytes:
    """Return the declaration of an input or output; a dimension that is a text may have any size."""
    kind = _number(1, DTYPES[dtype])
    if shape is not None:
        dims = (_bytes(1, _number(1, n) if isinstance(n, int) else _text(2, n)) for n in shape)
        kind += _bytes(2, b"".join(dims))
    return _text(1, name) + _bytes(2, _bytes(1, kind))
