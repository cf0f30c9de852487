"""A reader of TensorFlow Lite files: the tensors and operators of the first graph.

Such a file is a FlatBuffer (https://flatbuffers.dev/internals/): tables whose fields are found through a table of
offsets. The numbers of the fields follow the public schema, ``tensorflow/lite/schema/schema.fbs``.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 9: np.int8}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor. ``values`` is None where it is computed; ``scales`` f32[channels or 1]: none without quantisation."""

    shape: tuple[int, ...]
    values: NDArray[Any] | None
    scales: NDArray[np.float32]

    def real(self, axis: int = 0) -> NDArray[np.float32]:
        """Return the numbers that a constant stands for; its scales lie along ``axis``."""
        if self.values is None:
            raise ValueError("the tensor is no constant")
        shape = [1] * len(self.shape)
        shape[axis] = -1
        return np.asarray(self.values * self.scales.reshape(shape) if len(self.scales) else self.values, np.float32)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator by its number in the schema, with the numbers of its tensors, and the table of its options."""

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: "Table | None"


@dataclass(frozen=True, slots=True)
class Graph:
    """Tensors, operators in order of computation, and the numbers of the tensors that are given."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]


def read(data: bytes) -> Graph:
    """Return the first graph of a file."""
    model = Table(data, _u32(data, 0))
    buffers = [table.numbers(0, "B") for table in model.tables(4)]
    graph = model.tables(2)[0]
    codes = [code.numbers_at(3, "i") or code.numbers_at(0, "b") for code in model.tables(1)]
    tensors = [_tensor(table, buffers) for table in graph.tables(0)]
    operators = [_operator(table, codes) for table in graph.tables(3)]
    return Graph(tensors, operators, tuple(graph.numbers(1, "i").tolist()))


def _operator(table: "Table", codes: list[int]) -> Operator:
    inputs, outputs = (tuple(table.numbers(field, "i").tolist()) for field in (1, 2))
    return Operator(codes[table.numbers_at(0, "I")], inputs, outputs, table.table(4))


def _tensor(table: "Table", buffers: list[NDArray[Any]]) -> Tensor:
    shape = tuple(table.numbers(0, "i").tolist())
    raw, kind = buffers[table.numbers_at(2, "I")], table.numbers_at(1, "b")
    values = raw.view(TYPES[kind]).reshape(shape) if len(raw) else None
    quantisation = table.table(4)
    scales = quantisation.numbers(2, "f") if quantisation else np.zeros(0, np.float32)
    return Tensor(shape, values, scales)


def _u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


class Table:
    """A table of the FlatBuffer ``data`` at the offset ``at``."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]

    def _field(self, number: int) -> int:
        """Return the offset of a field, 0 if it is not stored."""
        place = 4 + 2 * number
        if place >= struct.unpack_from("<H", self._data, self._fields)[0]:
            return 0
        offset = struct.unpack_from("<H", self._data, self._fields + place)[0]
        return self._at + offset if offset else 0

    def _target(self, number: int) -> int:
        field = self._field(number)
        return field + _u32(self._data, field) if field else 0

    def numbers_at(self, number: int, form: str) -> int:
        """Return a number stored in the table itself, 0 if it is not stored."""
        field = self._field(number)
        return int(struct.unpack_from("<" + form, self._data, field)[0]) if field else 0

    def numbers(self, number: int, form: str) -> NDArray[Any]:
        """Return a vector of numbers, empty if it is not stored."""
        at = self._target(number)
        dtype = np.dtype({"B": "u1", "i": "<i4", "f": "<f4"}[form])
        return np.frombuffer(self._data, dtype, _u32(self._data, at), at + 4) if at else np.zeros(0, dtype)

    def table(self, number: int) -> "Table | None":
        """Return a table that a field refers to."""
        at = self._target(number)
        return Table(self._data, at) if at else None

    def tables(self, number: int) -> list["Table"]:
        """Return a vector of tables."""
        at = self._target(number)
        places = [at + 4 + 4 * i for i in range(_u32(self._data, at))] if at else []
        return [Table(self._data, place + _u32(self._data, place)) for place in places]
