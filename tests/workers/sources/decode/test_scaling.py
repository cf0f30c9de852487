"""The size of decoded frames: whole frames of every aspect ratio, upright, with what is at their edges."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.videos.media import camera, every, make_video, number_of, read_all
from workers.sources.decode.scaling import FrameScaler
from workers.sources.factory import build_source
from workers.sources.random_access import read_frames_at
from workers.types import FrameBatch, FrameSpec, Polygon

WHOLE = FrameSpec(256, 256, "whole")


@pytest.mark.parametrize(
    ("source", "decoded"),
    [
        ((1920, 1080), (448, 256)),
        ((3840, 2160), (448, 256)),
        ((640, 360), (448, 256)),
        ((1080, 1920), (256, 448)),  # portrait
        ((640, 480), (352, 256)),  # 4:3
        ((2560, 1920), (352, 256)),
        ((352, 288), (320, 256)),
        ((1280, 1280), (256, 256)),
        ((97, 65), (384, 256)),  # odd
        ((16, 16), (256, 256)),  # tiny
        ((1, 1), (256, 256)),
        ((5120, 1440), (896, 256)),  # two lenses
        ((6000, 1000), (1024, 256)),  # longer than 4:1
        ((1000, 6000), (256, 1024)),
        ((2, 5000), (256, 1024)),
    ],
)
def test_whole_frames_have_one_size_for_each_aspect_ratio(source: tuple[int, int], decoded: tuple[int, int]) -> None:
    spec = WHOLE.resolved(*source)
    assert (spec.width, spec.height) == decoded
    assert WHOLE.accepts(*decoded)
    assert spec.accepts(*decoded)


def test_other_formats_do_not_depend_on_the_source() -> None:
    for spec in (FrameSpec(224, 224, "crop"), FrameSpec(384, 256, "squash")):
        assert spec.resolved(1920, 1080) == spec
        assert spec.accepts(spec.width, spec.height)
        assert not spec.accepts(448, 256)
        assert spec.typical == (spec.width, spec.height)
    assert WHOLE.typical == (448, 256)
    assert not WHOLE.accepts(224, 224)
    assert not WHOLE.accepts(450, 256)
    assert not WHOLE.accepts(1056, 256)


def grey(width: int, height: int) -> np.ndarray:
    """Return a dark frame with a white stripe, a sixteenth of the frame wide, at each edge."""
    image = np.full((height, width, 3), 40, np.uint8)
    across, down = max(1, width // 16), max(1, height // 16)
    image[:down] = image[-down:] = 240
    image[:, :across] = image[:, -across:] = 240
    return image


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (640, 480), (98, 66), (16, 16)])
def test_a_whole_frame_shows_all_four_edges(size: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_ndarray(grey(*size), format="rgb24")
    out = FrameScaler(WHOLE)(frame)
    assert WHOLE.accepts(out.shape[1], out.shape[0])
    middle = out.shape[0] // 2, out.shape[1] // 2
    for edge in (out[2, middle[1]], out[-3, middle[1]], out[middle[0], 2], out[middle[0], -3]):
        assert edge.mean() > 200
    assert out[middle].mean() < 60


def test_of_a_very_long_frame_the_middle_is_kept() -> None:
    out = FrameScaler(WHOLE)(av.VideoFrame.from_ndarray(grey(1200, 100), format="rgb24"))
    assert out.shape == (256, 1024, 3)
    assert out[128, 2].mean() < 60
    assert out[2, 512].mean() > 200


@pytest.mark.parametrize("size", [(640, 360), (640, 480), (360, 640)])
def test_hidden_faces_do_not_change_the_size(size: tuple[int, int]) -> None:
    frame = av.VideoFrame.from_ndarray(grey(*size), format="rgb24")
    plain = FrameScaler(WHOLE)(frame)
    hidden = FrameScaler(WHOLE, blur_faces=True)(frame)
    assert hidden.shape == plain.shape
    assert np.abs(hidden.astype(int) - plain).mean() < 6


def test_a_change_of_the_aspect_ratio_starts_a_batch_of_another_size(tmp_path: Path) -> None:
    wide = make_video(tmp_path / "1.ts", every(40, 100), options={"bf": "0"}, size=(128, 72))
    narrow = make_video(tmp_path / "2.ts", every(40, 100, 4000), options={"bf": "0"}, size=(128, 96), first=100)
    both = tmp_path / "both.ts"
    both.write_bytes(wide.read_bytes() + narrow.read_bytes())
    batches = [item for item in build_source(camera(both), WHOLE).items() if isinstance(item, FrameBatch)]
    assert [b.frames.shape for b in batches] == [(4, 256, 448, 3), (4, 256, 352, 3)]
    assert [number_of(f) for b in batches for f in b.frames] == [0, 25, 50, 75, 100, 125, 150, 175]
    assert np.all(np.diff(np.concatenate([b.pts_s for b in batches])) > 0)


def test_random_access_gives_whole_frames_of_the_same_size(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 100), size=(72, 128))
    in_order = read_all(path, WHOLE).frames
    _, frames = read_frames_at(str(path), [0.0, 3.0], WHOLE)
    assert frames.shape == (2, 448, 256, 3)
    assert np.abs(frames[1].astype(int) - in_order[3]).mean() < 3


LEFT_LOWER: Polygon = ((0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0))
CORNER: Polygon = ((0.75, 0.0), (1.0, 0.0), (1.0, 0.25))


@pytest.mark.parametrize("blur_faces", [False, True])
@pytest.mark.parametrize("size", [(640, 360), (360, 640)])
def test_outside_its_masks_a_frame_is_black(size: tuple[int, int], blur_faces: bool) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 200, np.uint8), format="rgb24")
    out = FrameScaler(WHOLE, blur_faces, (LEFT_LOWER, CORNER))(frame)
    height, width = out.shape[:2]
    assert (out[height // 2 :, : width // 2] > 180).all()
    assert (out[: height // 2 - 1, : width // 2] == 0).all()
    assert (out[height // 2 :, width // 2 + 1 :] == 0).all()
    assert out[2, width - 3].min() > 180
    assert out[height // 4 - 3, width * 3 // 4 + 3].max() == 0, "below the diagonal of the second area"


def test_masks_are_shares_of_the_whole_frame_even_where_its_centre_is_cut_out() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((100, 200, 3), 200, np.uint8), format="rgb24")
    out = FrameScaler(FrameSpec(64, 64, "crop"), masks=(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),))(frame)
    assert (out[:, :32] > 180).all()
    assert (out[:, 33:] == 0).all()


@pytest.mark.parametrize("fps", [1.0, "keyframes", 1 / 60])
def test_every_reader_of_a_file_masks_it(tmp_path: Path, fps: float) -> None:
    path = make_video(tmp_path / "a.mp4", every(40, 60), size=(128, 72))
    frames = read_all(path, WHOLE, fps=fps, masks=(LEFT_LOWER,)).frames
    assert len(frames)
    assert (frames[:, :120] == 0).all()
    assert frames[:, 140:, :200].max() > 40
