"""The detectors on photographs that everybody has."""

import importlib.resources
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignment.errors import FeatureError
from tests.workers.detectors.conftest import photo
from workers.detectors.classes import NAMES
from workers.detectors.detector import FLOOR, Detections, Detectors
from workers.errors import ModelUnavailable

COUNTED = -1.44  # calibrated logit from which another person counts beside a sure one
pytestmark = pytest.mark.timeout(60)  # loads models


def seen(found: Detections) -> set[str]:
    return {NAMES[i] for i in np.flatnonzero(found.scores > 0)}


def pasted(name: str, width: int, height: int, left: int, top: int, side: int) -> np.ndarray:
    """Return a grey frame with a photograph in it."""
    frame = Image.new("RGB", (width, height), (120, 120, 120))
    frame.paste(Image.fromarray(photo(name)).resize((side, side)), (left, top))
    return np.asarray(frame)


@pytest.mark.parametrize(
    ("name", "shown"), [("astronaut", {"person"}), ("cat", {"cat"}), ("coffee", {"cup"}), ("rocket", set())]
)
def test_a_photograph_shows_what_it_shows(detectors: Detectors, name: str, shown: set[str]) -> None:
    (found,) = detectors.detect(photo(name)[None])
    assert seen(found) == shown
    assert {NAMES[i] for i in found.classes[found.logits > 0]} == shown


def test_a_box_is_where_the_person_is(detectors: Detectors) -> None:
    (whole,) = detectors.detect(photo("astronaut")[None])
    np.testing.assert_allclose(whole.boxes[0], [0.04, 0.03, 0.71, 0.97], atol=0.05)
    (found,) = detectors.detect(pasted("astronaut", 448, 256, left=224, top=16, side=224)[None])
    people = found.of(NAMES.index("person"))
    left, top, right, bottom = people.boxes[0]
    assert people.logits[0] > 0
    assert left > 0.48  # the left half is empty
    assert 0.2 < right - left < 0.5
    assert bottom - top > 0.6


def test_the_second_box_counts(detectors: Detectors) -> None:
    person = NAMES.index("person")
    one = pasted("astronaut", 448, 256, left=112, top=16, side=224)
    two = one.copy()
    two[16:240] = np.concatenate([one[16:240, 112:336]] * 2, axis=1)
    alone, both = (found.of(person) for found in detectors.detect(np.stack([one, two])))
    assert (both.logits > COUNTED).sum() == 2
    assert both.boxes[:2, 0].max() > 0.5 > both.boxes[:2, 0].min()
    assert alone.logits[0] > 0
    assert (alone.logits[1:] < COUNTED).all()


def test_a_frame_does_not_depend_on_its_batch(detectors: Detectors) -> None:
    frames = np.stack([pasted(n, 448, 256, 100, 6, 240) for n in ("astronaut", "cat", "coffee", "rocket")] * 3)
    for together, (alone,) in zip(detectors.detect(frames), (detectors.detect(f[None]) for f in frames), strict=True):
        for field in ("boxes", "classes", "logits", "scores"):
            np.testing.assert_allclose(getattr(together, field), getattr(alone, field), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (7, 501), (300, 300), (1080, 1920), (256, 449)])
def test_frames_have_any_size(detectors: Detectors, size: tuple[int, int]) -> None:
    frame = np.asarray(Image.fromarray(photo("astronaut")).resize(size[::-1]))
    (found,) = detectors.detect(frame[None])
    assert np.isfinite(found.scores).all()
    assert found.boxes.shape == (len(found.logits), 4)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= 1).all()
    assert (np.diff(found.logits) <= 0).all()
    assert set(np.flatnonzero(found.scores >= FLOOR)) == set(found.classes)
    assert ("person" in seen(found)) == (min(size) >= 256)


def test_no_frames_give_no_detections(detectors: Detectors) -> None:
    assert detectors.detect(np.zeros((0, 256, 448, 3), np.uint8)) == ()


@pytest.mark.parametrize("shape", [(256, 448, 3), (1, 256, 448), (1, 256, 448, 4), (1, 0, 448, 3)])
def test_other_shapes_are_refused(detectors: Detectors, shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureError, match="the detectors take"):
        detectors.detect(np.zeros(shape, np.uint8))


def test_frames_of_numbers_are_refused(detectors: Detectors) -> None:
    with pytest.raises(FeatureError, match="float32"):
        detectors.detect(np.zeros((1, 256, 448, 3), np.float32))


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    return tmp_path / "coco.onnx"


def test_a_missing_or_damaged_file_is_named_with_its_cure(broken: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelUnavailable, match=r"coco\.onnx"):
        Detectors()
    broken.write_bytes(b"no model")
    with pytest.raises(ModelUnavailable, match=r"coco\.onnx .* install watchword again"):
        Detectors()


def test_a_missing_runtime_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelUnavailable) as caught:
        Detectors()
    assert "watchword[lite]" in str(caught.value)
