"""The reader of TensorFlow.js graphs, on a small graph with everything that is folded."""

import json
from typing import Any

import numpy as np
import pytest

from workers.detectors.conversion.layers import INPUT, Add, Conv
from workers.detectors.conversion.tfjs import ANCHORS, CLASSES, HEADS, IMAGE, read_coco

torch = pytest.importorskip("torch")


class Source:
    """A graph under construction and its weights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[dict[str, Any]] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, name: str, *shape: int, low: float = -1.0) -> str:
        self.constants[name] = self.rng.uniform(low, 1, shape).astype(np.float32)
        return name

    def node(self, name: str, op: str, *inputs: str, **attr: Any) -> str:
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attr})
        return name

    def conv(self, name: str, source: str, into: int, out: int, stride: int = 1, op: str = "Conv2D") -> str:
        shape = (3, 3, into, 1) if op == "DepthwiseConv2dNative" else (1, 1, into, out)
        strides = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
        return self.node(name, op, source, self.constant(f"{name}/weights", *shape), strides=strides)

    def files(self) -> tuple[bytes, bytes]:
        entries = [{"name": n, "shape": list(c.shape), "dtype": "float32"} for n, c in self.constants.items()]
        manifest = [{"paths": [], "weights": entries}]
        model = {"modelTopology": {"node": self.nodes}, "weightsManifest": manifest}
        return json.dumps(model).encode(), b"".join(c.tobytes() for c in self.constants.values())


def graph() -> Source:
    """Return a graph like the detector's: an inverted bottleneck whose last bias is added after the residual."""
    g = Source(1)
    stem = g.node("stem/bias", "Add", g.conv("stem", IMAGE, 3, 4, 2), g.constant("stem/shift", 4))
    stem = g.node("stem/act", "Relu6", stem)
    deep = g.conv("deep", stem, 4, 4, op="DepthwiseConv2dNative")
    deep = g.node("deep/scaled", "Mul", deep, g.constant("deep/scale", 4))
    deep = g.node("deep/biased", "Add", g.constant("deep/shift", 4), deep)
    project = g.conv("project", g.node("deep/act", "Relu6", deep), 4, 4)
    total = g.node("block", "AddN", project, stem)
    total = g.node("block/bias", "Add", g.constant("project/shift", 4), total)
    for i in range(HEADS):
        for part, columns in (("BoxEncoding", 4), ("Class", CLASSES)):
            name = f"BoxPredictor_{i}/{part}Predictor"
            before = g.conv(f"{name}_depthwise", total, 4, 4, op="DepthwiseConv2dNative")
            numbers = [g.constant(f"{name}/{n}", 4, low=0.1 if n == "variance" else -1.0) for n in ("a", "b", "m")]
            variance = g.constant(f"{name}/variance", 4, low=0.1)
            before = g.node(f"{name}/norm", "FusedBatchNorm", before, *numbers, variance, epsilon={"f": 0.001})
            after = g.conv(f"{name}/Conv2D", g.node(f"{name}/act", "Relu6", before), 4, columns)
            g.node(f"{name}/BiasAdd", "BiasAdd", after, g.constant(f"{name}/biases", columns))
    g.constants[ANCHORS] = np.array([[[0.1, 0.2, 0.5, 0.8]]], np.float32)
    return g


def value(g: Source, name: str, image: Any) -> Any:
    """Return a node's value [channels, height, width] as TensorFlow defines it, without folding."""
    if name == IMAGE:
        return image
    if name in g.constants:
        return torch.from_numpy(g.constants[name]).reshape(-1, 1, 1)
    node = next(n for n in g.nodes if n["name"] == name)
    if "Conv" in node["op"]:
        x, weight = value(g, node["input"][0], image), torch.from_numpy(g.constants[node["input"][1]])
        deep = node["op"] != "Conv2D"
        weight = weight.permute(2, 3, 0, 1) if deep else weight.permute(3, 2, 0, 1)
        stride = int(node["attr"]["strides"]["list"]["i"][1])
        return torch.nn.functional.conv2d(
            x[None], weight, None, stride, weight.shape[2] // 2, 1, len(x) if deep else 1
        )[0]
    inputs = [value(g, i, image) for i in node["input"]]
    match node["op"]:
        case "Relu6":
            return inputs[0].clamp(0, 6)
        case "Mul":
            return inputs[0] * inputs[1]
        case "FusedBatchNorm":
            x, gamma, beta, mean, variance = inputs
            return gamma * (x - mean) / (variance + node["attr"]["epsilon"]["f"]).sqrt() + beta
    return inputs[0] + inputs[1]


def test_folded_layers_compute_what_the_graph_computes() -> None:
    g = graph()
    network = read_coco(*g.files())
    assert all(isinstance(layer, Conv | Add) for layer in network.layers)
    assert len(network.layers) == 4 + HEADS * 4
    image = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(2)) * 2 - 1
    values = {INPUT: image}
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Add):
            values[index] = values[layer.sources[0]] + values[layer.sources[1]]
        else:
            weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
            x = values[layer.source][None]
            x = torch.nn.functional.conv2d(x, weight, bias, layer.stride, weight.shape[2] // 2, 1, layer.groups)[0]
            values[index] = x.clamp(0, 6) if layer.relu6 else x
    for i, head in enumerate(network.heads):
        for part, found in (("BoxEncoding", head.boxes), ("Class", head.classes)):
            expected = value(g, f"BoxPredictor_{i}/{part}Predictor/BiasAdd", image)
            torch.testing.assert_close(values[found], expected, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(network.anchors, [[0.5, 0.3, 0.6, 0.4]], rtol=1e-6)


def test_an_unknown_operation_is_named() -> None:
    g = graph()
    next(n for n in g.nodes if n["name"] == "deep/act")["op"] = "Swish"
    with pytest.raises(ValueError, match="deep/act has the unknown operation Swish"):
        read_coco(*g.files())
