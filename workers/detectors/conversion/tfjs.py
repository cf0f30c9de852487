"""Reader of the COCO detector: a TensorFlow.js graph (SSDLite-MobileNetV2, 300 pixels, 90 ids and the background).

Constant multiplications, additions and batch norms that follow a convolution become part of its weights and bias.
"""

import json
from typing import Any

import numpy as np

from alignment.types import F32
from workers.detectors.conversion.layers import INPUT, Add, Builder, Conv, Head, Network

IMAGE = "Preprocessor/sub"  # the node whose value is the picture, -1 to 1
ANCHORS = "Postprocessor/ExpandDims"  # f32[1, 1917, 4]: top, left, bottom, right
HEADS = 6
CLASSES = 91


def read_coco(model: bytes, weights: bytes) -> Network:
    """Return the network of a model's JSON and its joined shards."""
    described = json.loads(model)
    nodes = {node["name"]: node for node in described["modelTopology"]["node"]}
    reader = _Reader(nodes, _constants(described["weightsManifest"], weights))
    heads = []
    for i in range(HEADS):
        boxes, classes = (f"BoxPredictor_{i}/{part}Predictor/BiasAdd" for part in ("BoxEncoding", "Class"))
        heads.append(Head(reader.layer(boxes), reader.layer(classes)))
    top, left, bottom, right = reader.constants[ANCHORS].reshape(-1, 4).T
    anchors = np.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=1)
    return Network(reader.built.layers, heads, anchors, CLASSES)


def _constants(manifest: list[dict[str, Any]], weights: bytes) -> dict[str, F32]:
    """Return the arrays of a manifest; integers, which only the post-processing uses, as their values too."""
    found, at = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(weights, np.dtype(entry["dtype"]).newbyteorder("<"), count, at)
        found[entry["name"]] = array.astype(np.float32).reshape(entry["shape"])
        at += array.nbytes
    return found


class _Reader:
    """Walks the graph from a node to the picture; each node is read once."""

    def __init__(self, nodes: dict[str, dict[str, Any]], constants: dict[str, F32]) -> None:
        self.nodes, self.constants = nodes, constants
        self.built = Builder()
        self._known = {IMAGE: INPUT}

    def layer(self, name: str) -> int:
        """Return the index of the layer that a node's value is."""
        if name not in self._known:
            self._known[name] = self._read(self.nodes[name])
        return self._known[name]

    def _read(self, node: dict[str, Any]) -> int:
        """Add the layer of a node, or fold the node into the layer before it."""
        fixed = [self.constants[name] for name in node["input"] if name in self.constants]
        moving = [self.layer(name) for name in node["input"] if name not in self.constants]
        match node["op"]:
            case "Conv2D":
                return self._conv(node, moving[0], fixed[0].transpose(3, 2, 0, 1))
            case "DepthwiseConv2dNative":
                return self._conv(node, moving[0], fixed[0].transpose(2, 3, 0, 1))
            case "AddN" | "Add" if len(moving) == 2:
                return self.built.add(Add((moving[0], moving[1])))
            case "Mul":
                self._scale(moving[0], fixed[0], np.float32(0))
            case "Add" | "BiasAdd":
                self._scale(moving[0], np.float32(1), fixed[0])
            case "FusedBatchNorm":
                gamma, beta, mean, variance = fixed
                scale = gamma / np.sqrt(variance + node["attr"]["epsilon"]["f"])
                self._scale(moving[0], scale, beta - mean * scale)
            case "Relu6":
                self._folded(moving[0]).relu6 = True
            case op:
                raise ValueError(f"the node {node['name']} has the unknown operation {op}")
        return moving[0]

    def _conv(self, node: dict[str, Any], source: int, weight: F32) -> int:
        stride = int(node["attr"]["strides"]["list"]["i"][1])
        groups = weight.shape[0] if node["op"] == "DepthwiseConv2dNative" else 1
        bias = np.zeros(weight.shape[0], np.float32)
        return self.built.add(Conv(source, weight, bias, stride, groups))

    def _scale(self, layer: int, scale: F32 | np.float32, shift: F32 | np.float32) -> None:
        conv = self._folded(layer)
        conv.weight = conv.weight * np.reshape(scale, (-1, 1, 1, 1))
        conv.bias = conv.bias * scale + shift

    def _folded(self, layer: int) -> Conv:
        """Return the convolution that a node folds into.

        A constant that is added to a residual sum belongs to the convolution without activation that ends the block.
        """
        found = self.built.layers[layer]
        if isinstance(found, Add):
            found = next(s for i in found.sources if isinstance(s := self.built.layers[i], Conv) and not s.bias.any())
        assert isinstance(found, Conv)
        return found
