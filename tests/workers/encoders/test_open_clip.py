"""Our embeddings against those of open_clip's own pipeline, on tiny checkpoints made here."""

import json
import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

torch = pytest.importorskip("torch")
open_clip: Any = None  # imported by the fixture below: two seconds, which no other worker needs

from PIL import Image  # noqa: E402  # after the guard above
from safetensors.torch import save_file  # noqa: E402

from alignment.lexicon import things  # noqa: E402
from workers.encoders.open_clip_encoder import OpenClipEncoder  # noqa: E402
from workers.errors import ModelUnavailable  # noqa: E402
from workers.models.options import EncoderOptions  # noqa: E402

TEXTS = ["a red car", "A CAT", "someone opens the door " * 30]
SIZE = 32
VISION = {"image_size": SIZE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
CLIP = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
SIGLIP = CLIP | {"init_logit_scale": 4.72, "init_logit_bias": -16.5, "custom_text": True}
PREPROCESS = {
    "clip": {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "resize_mode": "shortest"},
    "siglip": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
    "multilingual": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
}


@pytest.fixture(scope="module", autouse=True)
def _library_itself() -> None:
    global open_clip
    open_clip = pytest.importorskip("open_clip")


def _tokenizer(folder: Path) -> None:
    """Train a byte-level BPE that knows Chinese and save it where open_clip looks for it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(["a red car", "一辆红色的车", "一只猫"], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", model_max_length=16
    ).save_pretrained(folder)


def _save(folder: Path, kind: str, config: dict[str, Any]) -> None:
    folder.mkdir()
    written = {"model_cfg": config, "preprocess_cfg": PREPROCESS[kind]}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(5)
    root = tmp_path_factory.mktemp("open_clip")
    multilingual = SIGLIP | {
        "text_cfg": TEXT | {"vocab_size": 320, "context_length": 16, "hf_tokenizer_name": "tiny", "pool_type": "last"}
    }
    for kind, config in {"clip": CLIP, "siglip": SIGLIP, "multilingual": multilingual}.items():
        _save(root / kind, kind, config)
    _tokenizer(root / "multilingual")
    (root / "clip" / "README.md").write_text('---\nlicense: "mit"\n---\n')
    return {kind: root / kind for kind in PREPROCESS}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (7, SIZE, SIZE, 3), dtype=np.uint8)


def _options(folder: Path, **more: Any) -> EncoderOptions:
    return EncoderOptions("open_clip", str(folder), device="cpu", threads=1, **more)


def _library(folder: Path, frames: np.ndarray, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Embed as open_clip's README shows it, one picture and one text at a time."""
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.no_grad():
        images = [model.encode_image(preprocess(Image.fromarray(f))[None], normalize=True) for f in frames]
        sentences = [model.encode_text(tokenizer([t]), normalize=True) for t in texts]
    return torch.cat(images).numpy(), torch.cat(sentences).numpy()


@pytest.mark.parametrize("kind", list(PREPROCESS))
def test_embeddings_equal_the_librarys(checkpoints: dict[str, Path], frames: np.ndarray, kind: str) -> None:
    encoder = OpenClipEncoder(_options(checkpoints[kind], batch_size=3))
    images, texts = _library(checkpoints[kind], frames, TEXTS)

    ours, ours_text = encoder.encode_frames(frames), encoder.encode_text(TEXTS)

    print(f"{kind}: image {np.abs(ours - images).max():.2e}, text {np.abs(ours_text - texts).max():.2e}")
    np.testing.assert_allclose(ours, images, atol=1e-4)
    np.testing.assert_allclose(ours_text, texts, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(ours_text, axis=1), 1.0, atol=1e-5)
    assert ours.dtype == ours_text.dtype == np.float32
    assert np.abs(ours[0] - ours[1]).max() > 1e-3, "the tiny tower must tell pictures apart"


def test_a_chinese_query_is_understood_by_a_multilingual_text_tower(checkpoints: dict[str, Path]) -> None:
    encoder = OpenClipEncoder(_options(checkpoints["multilingual"]))
    queries = ["一辆红色的车", "一只猫"]
    car, cat = encoder.encode_text(queries)
    _, theirs = _library(checkpoints["multilingual"], np.zeros((1, SIZE, SIZE, 3), np.uint8), queries)
    np.testing.assert_allclose(np.stack([car, cat]), theirs, atol=1e-4)
    assert float(car @ cat) < 0.999, "different Chinese words must give different embeddings"


def test_the_names_of_the_lexicon_are_panel_and_vocabulary(checkpoints: dict[str, Path]) -> None:
    encoder = OpenClipEncoder(_options(checkpoints["clip"]))
    calibration = encoder.calibration
    np.testing.assert_allclose(encoder.vocabulary[0], encoder.encode_text([f"a {things()[0].name}"])[0], atol=1e-5)
    assert calibration.panel is encoder.vocabulary
    assert len(encoder.vocabulary) == 1000
    pairs = (encoder.vocabulary @ encoder.vocabulary.T)[np.triu_indices(1000, 1)]
    at_mean = calibration.text.scale * (pairs.mean() - calibration.text.midpoint)
    assert at_mean == pytest.approx(20 * (0.1813 - 0.29), rel=1e-3)  # an unrelated text means what it means to MiniLM
    text = "a tench"
    assert int(encoder.likeness([text], encoder.encode_text([text])).argmax()) == 0


def test_names_are_stored_with_the_model(checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = OpenClipEncoder(_options(checkpoints["clip"]))
    monkeypatch.setattr(OpenClipEncoder, "encode_text", _only_the_probe(OpenClipEncoder.encode_text))
    np.testing.assert_array_equal(OpenClipEncoder(_options(checkpoints["clip"])).vocabulary, first.vocabulary)


def _only_the_probe(encode: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def checked(self: OpenClipEncoder, texts: Sequence[str]) -> np.ndarray:
        assert len(texts) == 1, "the names are embedded again"
        return encode(self, texts)

    return checked


def test_frame_specs_info_and_calibration(checkpoints: dict[str, Path]) -> None:
    clip = OpenClipEncoder(_options(checkpoints["clip"]))
    siglip = OpenClipEncoder(_options(checkpoints["siglip"]))
    assert (clip.frame_spec.width, clip.frame_spec.height, clip.frame_spec.fit) == (SIZE, SIZE, "crop")
    assert siglip.frame_spec.fit == "squash"
    assert clip.info.id == f"open_clip/clip@{clip.info.revision}"
    assert (clip.info.dim, clip.info.licence, siglip.info.licence) == (24, "mit", "unknown")
    assert clip.calibration.contrast == pytest.approx(1 / 0.07, rel=1e-4)  # the scale open_clip starts with
    # The sigmoid's own curve: half at the cosine where scale · cos + bias is nought.
    assert siglip.calibration.vision.scale == pytest.approx(np.exp(4.72), rel=1e-4)
    assert siglip.calibration.vision.midpoint == pytest.approx(16.5 / np.exp(4.72), rel=1e-4)


def test_loading_does_not_cry_wolf(checkpoints: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    OpenClipEncoder(_options(checkpoints["clip"]))
    assert "randomly" not in caplog.text, "the weights are loaded a line after the library warns that they are not"
    assert "tokenizer" not in caplog.text, "nor does anybody need to hear how it looked for one"
    logging.warning("the root logger works as before")
    assert "works as before" in caplog.text


def test_a_name_of_the_library_with_pulled_weights_but_no_config(
    checkpoints: dict[str, Path], frames: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = tmp_path / "Watchword-Tiny.json"
    architecture.write_text(json.dumps(CLIP))
    open_clip.add_model_config(architecture)
    store = tmp_path / "store"
    monkeypatch.setenv("WATCHWORD_MODELS_DIR", str(store))
    pulled = store / "Watchword-Tiny--ours"
    pulled.mkdir(parents=True)
    shutil.copy(checkpoints["clip"] / "open_clip_model.safetensors", pulled)

    encoder = OpenClipEncoder(EncoderOptions("open_clip", "Watchword-Tiny/ours", device="cpu", threads=1))

    model, _, preprocess = open_clip.create_model_and_transforms(
        "Watchword-Tiny", pretrained=str(pulled / "open_clip_model.safetensors")
    )
    with torch.no_grad():
        theirs = model.eval().encode_image(preprocess(Image.fromarray(frames[0]))[None], normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_frames(frames[:1]), theirs, atol=1e-4)
    assert encoder.info.name == "Watchword-Tiny/ours"


def test_half_precision_is_named_and_takes_no_digits_from_the_curve(checkpoints: dict[str, Path]) -> None:
    full, half = (OpenClipEncoder(_options(checkpoints["siglip"], dtype=d)) for d in ("float32", "bfloat16"))
    assert half.calibration.vision == full.calibration.vision
    assert half.calibration.contrast == full.calibration.contrast
    assert half.info.id == f"{full.info.id}/bfloat16"


@pytest.fixture
def damaged(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints["clip"], tmp_path / "damaged")


def test_a_corrupt_weight_file_is_one_clear_error(damaged: Path) -> None:
    (damaged / "open_clip_model.safetensors").write_bytes(b"\x00" * 512)
    with pytest.raises(ModelUnavailable, match="SafetensorError"):
        OpenClipEncoder(_options(damaged))


def test_without_the_library_an_error_says_what_to_install(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ModelUnavailable, match=r"pip install 'watchword\[clip\]'"):
        OpenClipEncoder(_options(checkpoints["clip"]))


def test_weights_of_another_shape_are_refused(damaged: Path) -> None:
    config = json.loads((damaged / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 16
    (damaged / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match=r"RuntimeError.*loading state_dict"):
        OpenClipEncoder(_options(damaged))


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_refused_unopened(damaged: Path, tmp_path: Path, name: str) -> None:
    (damaged / "open_clip_model.safetensors").unlink()
    (damaged / name).write_bytes(f"cbuiltins\nopen\n(V{tmp_path}/ran\nVw\ntR.".encode())
    with pytest.raises(ModelUnavailable, match=rf"{name}.*safetensors"):
        OpenClipEncoder(_options(damaged))
    assert not (tmp_path / "ran").exists()


def test_a_pickle_beside_safetensors_is_never_read(damaged: Path, tmp_path: Path) -> None:
    # open_clip's own search prefers this pickle to a file named model.safetensors.
    (damaged / "open_clip_model.safetensors").rename(damaged / "model.safetensors")
    (damaged / "open_clip_pytorch_model.bin").write_bytes(f"cbuiltins\nopen\n(V{tmp_path}/ran\nVw\ntR.".encode())
    assert OpenClipEncoder(_options(damaged)).info.dim == 24
    assert not (tmp_path / "ran").exists()


def test_an_unknown_model_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_MODELS_DIR", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="watchword models pull ViT-B-32-256/datacomp_s34b_b86k"):
        OpenClipEncoder(EncoderOptions("open_clip"))
    with pytest.raises(ModelUnavailable, match="no folder /nowhere"):
        OpenClipEncoder(EncoderOptions("open_clip", "/nowhere/clip"))
