"""Export of a network to ONNX, from u8 pixels to boxes and logits."""

import numpy as np

from workers.detectors.conversion.layers import INPUT, Conv, Network
from workers.models.onnx_file import Graph

SIZE = 300  # pixels along each side of the input
BOX_SCALE, SIDE_SCALE = 10.0, 5.0  # by which the networks' box outputs are multiplied in training


def export(network: Network) -> bytes:
    """Return an ONNX file: u8[N, 300, 300, 3] RGB to f32[N, A, 4] boxes and f32[N, A, classes] logits.

    Boxes are left, top, right, bottom, relative to the picture; they may reach beyond it. ``network`` has gone through
    ``Network.select``.
    """
    graph = Graph()
    values, sizes = {INPUT: _pixels(graph)}, {INPUT: SIZE}
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Conv):
            values[index], sizes[index] = _conv(graph, layer, values[layer.source], sizes[layer.source])
        else:
            values[index] = graph.node("Add", [values[i] for i in layer.sources])
            sizes[index] = sizes[layer.sources[0]]
    encoded = _joined(graph, [values[head.boxes] for head in network.heads], 4)
    logits = _joined(graph, [values[head.classes] for head in network.heads], network.classes)
    outputs = {"boxes": _boxes(graph, encoded, network.anchors), "logits": logits}
    return graph.model({"frames": ("uint8", ("N", SIZE, SIZE, 3))}, outputs)


def _pixels(graph: Graph) -> str:
    """Scale pixels to -1 to 1, channels first."""
    pixels = graph.node("Cast", ["frames"], to=1)
    scale, one = graph.number(1 / 127.5), graph.number(1.0)
    return graph.node("Transpose", [graph.node("Sub", [graph.node("Mul", [pixels, scale]), one])], perm=(0, 3, 1, 2))


def _conv(graph: Graph, conv: Conv, source: str, size: int) -> tuple[str, int]:
    """Return the value of a convolution and its size. SAME padding has more at the end where it is uneven."""
    kernel = conv.weight.shape[2]
    after = -(-size // conv.stride)
    padding = max(0, (after - 1) * conv.stride + kernel - size)
    before = padding // 2
    value = graph.node(
        "Conv",
        [source, graph.weights(conv.weight), graph.constant(conv.bias)],
        group=conv.groups,
        kernel_shape=(kernel, kernel),
        pads=(before, before, padding - before, padding - before),
        strides=(conv.stride, conv.stride),
    )
    if conv.relu6:
        value = graph.node("Clip", [value, graph.number(0.0), graph.number(6.0)])
    return value, after


def _joined(graph: Graph, heads: list[str], columns: int) -> str:
    """Return the rows of all positions and anchors, head by head."""
    shape = graph.constant(np.array([0, -1, columns]))
    rows = [graph.node("Reshape", [graph.node("Transpose", [h], perm=(0, 2, 3, 1)), shape]) for h in heads]
    return graph.node("Concat", rows, axis=1)


def _boxes(graph: Graph, encoded: str, anchors: np.ndarray) -> str:
    """Decode boxes: a centre moves by a share of its anchor's sides, sides grow by an exponential."""
    centre = graph.constant(anchors[:, :2])
    by_centre = graph.constant(anchors[:, 2:] / np.float32(BOX_SCALE))
    half = graph.constant(anchors[:, 2:] / np.float32(2))
    moved = graph.node("Split", [encoded, graph.constant(np.array([2, 2]))], outputs=2, axis=2)
    middle = graph.node("Add", [graph.node("Mul", [moved, by_centre]), centre])
    grown = graph.node("Exp", [graph.node("Mul", [f"{moved}.1", graph.number(1 / SIDE_SCALE)])])
    reach = graph.node("Mul", [grown, half])
    corners = [graph.node(operation, [middle, reach]) for operation in ("Sub", "Add")]
    return graph.node("Concat", corners, axis=2)
