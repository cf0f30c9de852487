"""Our embeddings against those of transformers' own pipeline, on tiny checkpoints made here."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from PIL import Image  # noqa: E402  # after the guards above
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

from alignment.errors import FeatureError  # noqa: E402
from workers.encoders.transformers_encoder import TransformersEncoder  # noqa: E402
from workers.errors import ModelUnavailable  # noqa: E402
from workers.models.options import EncoderOptions  # noqa: E402

CORPUS = [
    "a red car turns left",
    "someone opens the door",
    "A Cat on the SOFA",
    "一辆红色的车",
    "一只猫",
    "有人打开了门",
    "ein roter Wagen biegt ab",
]
TEXTS = ["a red car", "A CAT", "一辆红色的车", "一只猫", "someone opens the door " * 30]
SIZE = 32


def _tokenizer(folder: Path, model_max_length: int, mask: bool = True) -> None:
    """Train a byte-level BPE on the corpus, Chinese included, and save it as transformers does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    names = ["input_ids", "attention_mask"] if mask else ["input_ids"]
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        model_max_length=model_max_length,
        model_input_names=names,
    )
    wrapped.save_pretrained(folder)


def _siglip2_tokenizer(folder: Path) -> None:
    """Train a BPE as Gemma's: spaces as ▁, lower case, unknown characters as bytes."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=399, special_tokens=special + [f"<0x{i:02X}>" for i in range(256)])
    tokenizer.train_from_iterator(CORPUS, trainer)
    bpe = json.loads(tokenizer.to_str())["model"]
    wrapped = transformers.Siglip2Tokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(m) for m in bpe["merges"]],
        model_max_length=64,
        model_input_names=["input_ids"],
    )
    wrapped.save_pretrained(folder)


TEXT = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 8,
}


def _clip(folder: Path) -> None:
    config = transformers.CLIPConfig(
        text_config=TEXT | {"max_position_embeddings": 77, "projection_dim": 24},
        vision_config=VISION | {"image_size": SIZE, "projection_dim": 24},
        projection_dim=24,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessor(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    ).save_pretrained(folder)
    _tokenizer(folder, 77)


def _siglip(folder: Path) -> None:
    config = transformers.SiglipConfig(
        text_config=TEXT | {"max_position_embeddings": 64, "projection_size": 32},
        vision_config=VISION | {"image_size": SIZE},
    )
    model = transformers.SiglipModel(config)
    with torch.no_grad():  # what the trained ones have: an untrained model starts with other numbers
        model.logit_scale.fill_(4.72)
        model.logit_bias.fill_(-16.5)
    model.save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    _tokenizer(folder, 64, mask=False)


def _siglip2_naflex(folder: Path) -> None:
    config = transformers.Siglip2Config(
        text_config=TEXT | {"max_position_embeddings": 64, "projection_size": 32},
        vision_config=VISION | {"num_patches": 16},
    )
    transformers.Siglip2Model(config).save_pretrained(folder)
    transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16).save_pretrained(folder)
    _siglip2_tokenizer(folder)


BUILDERS = {"clip": _clip, "siglip": _siglip, "siglip2": _siglip2_naflex}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(5)
    root = tmp_path_factory.mktemp("transformers")
    for name, build in BUILDERS.items():
        build(root / name)
    (root / "clip" / "README.md").write_text("---\ntags: [clip]\nlicense: mit\n---\n# Tiny\n")
    return {name: root / name for name in BUILDERS}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (7, SIZE, SIZE, 3), dtype=np.uint8)


def _options(folder: Path, **more: Any) -> EncoderOptions:
    return EncoderOptions("transformers", str(folder), device="cpu", threads=1, **more)


def _library(folder: Path, frames: np.ndarray, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Embed one picture and one text at a time, as the library's documentation shows it."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    padding = {"padding": "max_length", "max_length": 64} if "siglip" in model.config.model_type else {}
    images, sentences = [], []
    with torch.no_grad():
        for frame in frames:
            inputs = processor(images=Image.fromarray(frame), return_tensors="pt")
            images.append(_rows(model.get_image_features(**inputs)))
        for text in texts:
            tokens = tokenizer([text], truncation=True, return_tensors="pt", **padding)
            sentences.append(_rows(model.get_text_features(**tokens)))
    return np.concatenate(images), np.concatenate(sentences)


def _rows(features: Any) -> np.ndarray:
    tensor = features if torch.is_tensor(features) else features.pooler_output
    return torch.nn.functional.normalize(tensor, dim=-1).numpy()


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_embeddings_equal_the_librarys(checkpoints: dict[str, Path], frames: np.ndarray, kind: str) -> None:
    encoder = TransformersEncoder(_options(checkpoints[kind], batch_size=3))
    images, texts = _library(checkpoints[kind], frames, TEXTS)

    ours, ours_text = encoder.encode_frames(frames), encoder.encode_text(TEXTS)

    print(f"{kind}: image {np.abs(ours - images).max():.2e}, text {np.abs(ours_text - texts).max():.2e}")
    np.testing.assert_allclose(ours, images, atol=1e-4)
    np.testing.assert_allclose(ours_text, texts, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1.0, atol=1e-5)
    assert ours.dtype == ours_text.dtype == np.float32
    assert np.abs(ours[0] - ours[1]).max() > 1e-3, "the tiny tower must tell pictures apart"
    assert encoder.encode_sentences(TEXTS[:1]).shape == (1, encoder.info.dim)


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_a_chinese_query_is_understood_by_a_multilingual_tokenizer(checkpoints: dict[str, Path], kind: str) -> None:
    encoder = TransformersEncoder(_options(checkpoints[kind]))
    car, cat = encoder.encode_text(["一辆红色的车", "一只猫"])
    _, theirs = _library(checkpoints[kind], np.zeros((1, SIZE, SIZE, 3), np.uint8), ["一辆红色的车", "一只猫"])
    np.testing.assert_allclose(np.stack([car, cat]), theirs, atol=1e-4)
    assert float(car @ cat) < 0.999, "different Chinese words must give different embeddings"


def test_a_text_does_not_depend_on_its_batch(checkpoints: dict[str, Path]) -> None:
    encoder = TransformersEncoder(_options(checkpoints["clip"]))
    alone = np.concatenate([encoder.encode_text([t]) for t in TEXTS])
    np.testing.assert_allclose(encoder.encode_text(TEXTS), alone, atol=1e-5)


def test_siglip2_reads_capitals_as_it_was_trained(checkpoints: dict[str, Path]) -> None:
    encoder = TransformersEncoder(_options(checkpoints["siglip2"]))
    upper, lower = encoder.encode_text(["A Red CAR", "a red car"])
    np.testing.assert_allclose(upper, lower, atol=1e-6)


def test_frame_specs_and_info(checkpoints: dict[str, Path]) -> None:
    clip = TransformersEncoder(_options(checkpoints["clip"]))
    siglip = TransformersEncoder(_options(checkpoints["siglip"]))
    naflex = TransformersEncoder(_options(checkpoints["siglip2"]))
    assert (clip.frame_spec.width, clip.frame_spec.height, clip.frame_spec.fit) == (SIZE, SIZE, "crop")
    assert siglip.frame_spec.fit == naflex.frame_spec.fit == "squash"
    assert naflex.frame_spec.width == naflex.frame_spec.height == 32  # 4 x 4 patches of 8 pixels
    assert clip.info.id == f"transformers/clip@{clip.info.revision}"
    assert (clip.info.dim, clip.info.licence, clip.info.device) == (24, "mit", "cpu")
    assert siglip.info.licence == "unknown"
    assert clip.info.size_mb > 0
    assert clip.info.revision != siglip.info.revision


def test_siglips_own_curve_is_its_calibration(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    """The probability of a picture and a text is the one the library itself computes from its logits."""
    encoder = TransformersEncoder(_options(checkpoints["siglip"]))
    model = transformers.AutoModel.from_pretrained(checkpoints["siglip"]).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(checkpoints["siglip"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoints["siglip"])
    with torch.no_grad():
        tokens = tokenizer(["一只猫"], padding="max_length", max_length=64, return_tensors="pt")
        logits = model(**tokens, **processor(images=Image.fromarray(frames[0]), return_tensors="pt"))
        theirs = torch.sigmoid(logits.logits_per_image).item()

    cosine = encoder.encode_frames(frames[:1]) @ encoder.encode_text(["一只猫"]).T
    assert float(encoder.calibration.vision(cosine)[0, 0]) == pytest.approx(theirs, rel=1e-3)


def test_half_precision_stays_close(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    full = TransformersEncoder(_options(checkpoints["clip"])).encode_frames(frames)
    half = TransformersEncoder(_options(checkpoints["clip"], dtype="bfloat16")).encode_frames(frames)
    assert half.dtype == np.float32
    assert 1e-6 < np.abs(full - half).max() < 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_half_precision_is_the_default_and_stays_close(
    checkpoints: dict[str, Path], frames: np.ndarray
) -> None:
    for kind in BUILDERS:
        full = TransformersEncoder(_options(checkpoints[kind]))
        half = TransformersEncoder(EncoderOptions("transformers", str(checkpoints[kind])))
        assert half.info.device.startswith("cuda")
        np.testing.assert_allclose(half.encode_frames(frames), full.encode_frames(frames), atol=0.02)
        np.testing.assert_allclose(half.encode_text(TEXTS), full.encode_text(TEXTS), atol=0.02)


def test_no_frames_and_read_only_frames(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    encoder = TransformersEncoder(_options(checkpoints["clip"]))
    assert encoder.encode_frames(frames[:0]).shape == (0, 24)
    assert encoder.encode_text([]).shape == (0, 24)
    frozen = frames.copy()
    frozen.flags.writeable = False  # as arrays from Ray's object store are
    np.testing.assert_array_equal(encoder.encode_frames(frozen), encoder.encode_frames(frames))


def test_frames_of_another_size_are_refused(checkpoints: dict[str, Path]) -> None:
    encoder = TransformersEncoder(_options(checkpoints["clip"]))
    with pytest.raises(FeatureError, match=r"\[N, 32, 32, 3\]"):
        encoder.encode_frames(np.zeros((1, 16, 32, 3), np.uint8))


def test_half_precision_is_named_and_takes_no_digits_from_the_curve(checkpoints: dict[str, Path]) -> None:
    full, half = (TransformersEncoder(_options(checkpoints["siglip"], dtype=d)) for d in ("float32", "bfloat16"))
    assert half.calibration.vision == full.calibration.vision
    assert half.calibration.contrast == full.calibration.contrast
    assert half.info.id == f"{full.info.id}/bfloat16"


def test_a_zone_is_a_picture_of_its_own(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    encoder = TransformersEncoder(_options(checkpoints["clip"]))
    other = frames.copy()
    other[:, :, SIZE // 2 :] = 255 - other[:, :, SIZE // 2 :]  # on the right
    left = (((0.0, 0.0), (0.4, 0.0), (0.4, 0.4), (0.0, 0.4)),)
    beside = (((1.1, 0.0), (1.5, 0.0), (1.1, 1.0)),)
    zones = [(left, beside), *[()] * (len(frames) - 1)]
    rows, changed = (encoder.encode_zones(x, zones) for x in (frames, other))
    np.testing.assert_allclose(rows[[0, *range(3, len(rows))]], encoder.encode_frames(frames), atol=1e-5)
    np.testing.assert_allclose(rows[1], changed[1], atol=1e-5)
    assert np.abs(rows[0] - changed[0]).max() > 1e-3
    assert np.isnan(rows[2]).all()


@pytest.fixture
def damaged(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints["clip"], tmp_path / "damaged")


def test_a_corrupt_weight_file_is_one_clear_error(damaged: Path) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(b"\xff" * 4096)
    with pytest.raises(ModelUnavailable, match="SafetensorError"):
        TransformersEncoder(_options(damaged))


def test_a_truncated_weight_file_is_one_clear_error(damaged: Path) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelUnavailable, match="SafetensorError"):
        TransformersEncoder(_options(damaged))


def test_without_the_library_an_error_says_what_to_install(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelUnavailable, match=r"pip install 'watchword\[clip\]'"):
        TransformersEncoder(_options(checkpoints["clip"]))


def test_weights_of_another_shape_are_refused(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    config["vision_config"]["hidden_size"] = 48
    (damaged / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="mismatched"):
        TransformersEncoder(_options(damaged))


def test_missing_weights_do_not_stay_random(damaged: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(damaged / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"lacks 1 weights \(visual_projection.weight"):
        TransformersEncoder(_options(damaged))


def test_weights_that_are_not_numbers_are_refused(damaged: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(damaged / "model.safetensors")
    weights["visual_projection.weight"].fill_(float("nan"))
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match="no usable embeddings"):
        TransformersEncoder(_options(damaged))


def test_pickled_weights_are_refused_unopened(damaged: Path) -> None:
    (damaged / "model.safetensors").rename(damaged / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match=r"pytorch_model\.bin.*safetensors"):
        TransformersEncoder(_options(damaged))


def test_a_checkpoints_own_code_is_never_run(damaged: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    (damaged / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Evil: pass\n")
    config = json.loads((damaged / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (damaged / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="contains custom code"):
        TransformersEncoder(_options(damaged))
    assert not trace.exists()


def test_a_model_without_two_towers_is_refused(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelUnavailable, match="bert model, without an image and a text tower"):
        TransformersEncoder(_options(tmp_path))


def test_an_absent_device_is_named(checkpoints: dict[str, Path]) -> None:
    options = EncoderOptions("transformers", str(checkpoints["clip"]), device="cuda:99")
    with pytest.raises(ModelUnavailable, match=r"cuda:99.*not available"):
        TransformersEncoder(options)
    with pytest.raises(ModelUnavailable, match="no device 'abacus'"):
        TransformersEncoder(EncoderOptions("transformers", str(checkpoints["clip"]), device="abacus"))
