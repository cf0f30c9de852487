"""Pictures made of tiles are seen whole, upright, and within limits."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.videos.heif import make_tiled
from tests.support.videos.media import SPEC, camera, number_of, picture, read_all
from workers.clock import SystemClock
from workers.errors import SourceInvalid, SourceTooLarge
from workers.sources.factory import build_source
from workers.types import MediaLimits

NUMBER = 0b10110100  # its left and right tiles differ


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_a_picture_made_of_tiles_is_seen_whole(kind: str, tmp_path: Path) -> None:
    got = read_all(make_tiled(tmp_path / f"a.{kind}", picture(NUMBER, 512, 256), 2, 2))
    assert [number_of(f) for f in got.frames] == [NUMBER]
    assert list(got.pts) == [0.0]
    assert (got.info.width, got.info.height) == (512, 256)
    assert got.snapshot.last_error is None


def test_it_is_turned_upright(tmp_path: Path) -> None:
    sideways = np.rot90(picture(NUMBER, 512, 256), 1)
    got = read_all(make_tiled(tmp_path / "a.heic", np.ascontiguousarray(sideways), 2, 1, quarter_turns=3))
    assert [number_of(f) for f in got.frames] == [NUMBER]


def test_its_full_frame_is_whole(tmp_path: Path) -> None:
    source = build_source(camera(make_tiled(tmp_path / "a.avif", picture(NUMBER, 512, 256), 2, 4)), SPEC, SystemClock())
    with Image.open(BytesIO(source.picture(0.0))) as shown:
        assert number_of(np.asarray(shown)) == NUMBER


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    file = make_tiled(tmp_path / "a.heic", picture(NUMBER, 512, 256), 1, 2)
    with pytest.raises(SourceTooLarge, match=r"512x256.*limits\.pixels"):
        read_all(file, limits=MediaLimits(max_pixels=100_000))


def test_a_damaged_picture_is_invalid(tmp_path: Path) -> None:
    file = make_tiled(tmp_path / "a.heic", picture(NUMBER, 512, 256), 1, 2)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(SourceInvalid, match="cannot be decoded"):
        read_all(file)
