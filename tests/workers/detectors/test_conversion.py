"""The shipped networks: made from their packages, and the parts of the way."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from workers.detectors.conversion.__main__ import SHA256, convert_coco, convert_open_images
from workers.detectors.conversion.export import SIZE, export
from workers.detectors.conversion.layers import INPUT, Add, Conv, Head, Network
from workers.detectors.conversion.tflite import anchors

PACKAGES = Path(__file__).parents[4] / "shared" / "models"
needs_packages = pytest.mark.skipif(not PACKAGES.is_dir(), reason="the files of the npm packages are not here")
pytestmark = pytest.mark.timeout(60)


def shipped(name: str) -> bytes:
    return resources.files("workers.detectors").joinpath(name).read_bytes()


@needs_packages
def test_the_shipped_coco_network_is_what_its_source_makes() -> None:
    folder = PACKAGES / "coco_ssdlite_mobilenet_v2"
    weights = b"".join(shard.read_bytes() for shard in sorted(folder.glob("group1-shard*")))
    assert convert_coco((folder / "model.json").read_bytes(), weights) == shipped("coco.onnx")


@needs_packages
def test_the_shipped_open_images_network_is_what_its_source_makes() -> None:
    source = (PACKAGES / "ssd_mobilenet_v2_openimages_v4_fp16.tflite").read_bytes()
    assert convert_open_images(source) == shipped("open_images.onnx")


def test_other_files_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.json is not the file"):
        convert_coco(b"{}", b"")
    with pytest.raises(ValueError, match="Open Images model is not the file"):
        convert_open_images(b"TFL3")
    notice = shipped("NOTICE").decode()
    assert "workers.detectors.conversion" in notice
    assert len(SHA256) == 3


def test_anchors_cover_the_picture_evenly() -> None:
    made = anchors()
    assert made.shape == (19 * 19 * 3 + (100 + 25 + 9 + 4 + 1) * 6, 4)
    np.testing.assert_allclose(made[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(made[:, :2].mean(axis=0), 0.5, rtol=1e-5)
    np.testing.assert_allclose(made[-6], [0.5, 0.5, 0.95, 0.95], rtol=1e-6)


def small_network(rng: np.random.Generator) -> Network:
    """Return a network with every kind of layer; its one feature map has 38×38 positions of two anchors."""

    def conv(source: int, out: int, into: int, side: int, stride: int, groups: int = 1, relu6: bool = True) -> Conv:
        weight = rng.normal(0, 0.4, (out, into // groups, side, side)).astype(np.float16).astype(np.float32)
        return Conv(source, weight, rng.normal(0, 0.3, out).astype(np.float32), stride, groups, relu6)

    layers: list[Conv | Add] = [
        conv(INPUT, 8, 3, 3, 2),
        conv(0, 8, 8, 3, 2, groups=8),  # 75 positions become 38: padding on both sides
        conv(1, 8, 8, 3, 2, groups=8),
        conv(2, 8, 8, 1, 1, relu6=False),
        Add((3, 2)),
        conv(4, 2 * 4, 8, 1, 1, relu6=False),
        conv(4, 2 * 3, 8, 1, 1, relu6=False),
    ]
    side = rng.uniform(0.1, 0.4, (38 * 38 * 2, 2))
    return Network(layers, [Head(5, 6)], np.concatenate([rng.random(side.shape), side], 1).astype(np.float32), 3)


def computed(network: Network, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes and logits as torch computes them, with TensorFlow's padding added by hand."""
    torch = pytest.importorskip("torch")
    values = {INPUT: torch.from_numpy(frame.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]}
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Add):
            values[index] = values[layer.sources[0]] + values[layer.sources[1]]
            continue
        x, side = values[layer.source], layer.weight.shape[2]
        need = max(0, (-(-x.shape[2] // layer.stride) - 1) * layer.stride + side - x.shape[2])
        low, high = need // 2, need - need // 2
        x = torch.nn.functional.pad(x, (low, high, low, high))
        weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
        x = torch.nn.functional.conv2d(x, weight, bias, layer.stride, groups=layer.groups)
        values[index] = x.clamp(0, 6) if layer.relu6 else x
    head = network.heads[0]
    boxes = values[head.boxes][0].permute(1, 2, 0).reshape(-1, 4).numpy()
    logits = values[head.classes][0].permute(1, 2, 0).reshape(-1, network.classes).numpy()
    (x, y, width, height), (dy, dx, dh, dw) = network.anchors.T, boxes.T
    x, y, width, height = dx / 10 * width + x, dy / 10 * height + y, np.exp(dw / 5) * width, np.exp(dh / 5) * height
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1), logits


def test_an_exported_network_computes_what_torch_computes() -> None:
    ort = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(3)
    network = small_network(rng)
    frames = rng.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    expected = [computed(network, frame) for frame in frames]
    network.select([2, 1])
    session = ort.InferenceSession(export(network), providers=["CPUExecutionProvider"])
    boxes, logits = session.run(["boxes", "logits"], {"frames": frames})
    for got_boxes, got_logits, (want_boxes, want_logits) in zip(boxes, logits, expected, strict=True):
        np.testing.assert_allclose(got_boxes, want_boxes, atol=1e-4)
        np.testing.assert_allclose(got_logits, want_logits[:, [2, 1]], atol=1e-3)
