"""EfficientNet-Lite0 over windows of the frame: one network, two runtimes."""

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.timeout(60)  # loads models

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("onnxruntime")
skimage_data = pytest.importorskip("skimage.data")

from PIL import Image  # noqa: E402

from workers.encoders.lite.encoder import probable_classes  # noqa: E402
from workers.encoders.lite.network import OnnxLogits, TorchLogits, WindowLogits, load_network  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return load_network()


@pytest.fixture(scope="module")
def onnx(network: torch.nn.Module) -> WindowLogits:
    return OnnxLogits(network, threads=1)


def frame(width: int, height: int) -> np.ndarray:
    picture = Image.fromarray(skimage_data.coffee()).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture.convert("RGB"))[None]


@pytest.mark.parametrize(
    ("width", "height", "windows"),
    [(448, 256, (1, 7)), (256, 448, (7, 1)), (352, 256, (1, 4)), (256, 256, (1, 1)), (1024, 256, (1, 25))],
)
def test_onnx_runtime_and_torch_give_the_same_logits(
    network: torch.nn.Module, onnx: WindowLogits, width: int, height: int, windows: tuple[int, int]
) -> None:
    frames = np.concatenate([frame(width, height), np.zeros((1, height, width, 3), np.uint8)])
    by_onnx, by_torch = onnx(frames), TorchLogits(network, CPU, torch.float32)(frames)
    assert by_onnx.shape == by_torch.shape == (2, 1000, *windows)
    assert np.abs(by_torch).max() > 5
    np.testing.assert_allclose(by_onnx, by_torch, atol=1e-4)


def test_a_square_frame_is_classified_as_the_package_does(network: torch.nn.Module, onnx: WindowLogits) -> None:
    pixels = (torch.from_numpy(frame(256, 256).copy()).permute(0, 3, 1, 2).float() - 127.0) / 128.0
    with torch.inference_mode():
        expected = network(pixels).numpy()
    np.testing.assert_allclose(onnx(frame(256, 256))[:, :, 0, 0], expected, atol=1e-4)


def test_a_class_has_the_probability_of_its_best_window() -> None:
    logits = np.full((1, 1000, 1, 3), -20.0, np.float32)
    logits[0, 7, 0, 0] = logits[0, 8, 0, 2] = 10.0  # two things, each in a window of its own
    logits[0, 9, 0, 1] = 10.0
    logits[0, 10, 0, 1] = 10.0  # two in one window share its probability
    p = probable_classes(logits)[0]
    assert np.count_nonzero(p) >= 10
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p[[7, 8, 9, 10]], [1 / 3, 1 / 3, 1 / 6, 1 / 6], atol=1e-4)
