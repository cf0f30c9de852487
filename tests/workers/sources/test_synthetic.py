import itertools
import time

import numpy as np
import pytest

from tests.support.videos.media import SPEC, camera, read_all
from workers.errors import SourceUnsupported
from workers.sources.factory import build_source
from workers.types import AudioChunk, FrameBatch, FrameSpec


def test_pattern_with_tone() -> None:
    got = read_all("synthetic://pattern?seconds=2.5&width=320&height=180&fps=10&tone=440", fps=2.0)
    assert got.pts.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert (got.info.width, got.info.height, got.info.duration_s, got.info.live) == (320, 180, 2.5, False)
    assert [(c.start_s, len(c.samples)) for c in got.chunks] == [(0, 16000), (1, 16000), (2, 8000)]
    spectrum = np.abs(np.fft.rfft(got.chunks[0].samples))
    assert int(np.argmax(spectrum)) == 440
    order = [i.start_s if isinstance(i, AudioChunk) else i.pts_s[0] for i in got.items]
    assert max(a - b for a, b in itertools.pairwise(order)) <= 1.0


def test_box_moves_over_bars() -> None:
    frames = read_all("synthetic://pattern?seconds=10", FrameSpec(70, 40, "squash"), fps=1.0).frames
    middle = frames[:, 20].min(axis=2) > 250
    centres = [np.flatnonzero(row).mean() for row in middle]
    assert np.all(np.diff(centres) > 3)
    assert len(np.unique(frames[0, 2].reshape(-1, 3) // 60, axis=0)) >= 6


def test_no_tone_means_no_sound() -> None:
    got = read_all("synthetic://pattern?seconds=1")
    assert not got.info.has_audio
    assert not got.chunks


def test_paced_pattern_is_live_and_takes_its_time() -> None:
    source = build_source(camera("synthetic://pattern?seconds=0&pace=1", fps=10.0), SPEC)
    assert source.open().live
    began = time.time()
    pts = []
    for item in source.items():
        assert isinstance(item, FrameBatch)
        pts.append(item.pts_s[0])
        if len(pts) == 6:
            source.stop()
    assert 0.4 <= time.time() - began < 2.0
    assert abs(pts[0] - began) < 1.0


@pytest.mark.parametrize("query", ["seconds=x", "colour=1", "fps=0", "width=-3"])
def test_bad_values_are_named(query: str) -> None:
    with pytest.raises(SourceUnsupported, match=query.partition("=")[0]):
        build_source(camera(f"synthetic://pattern?{query}"), SPEC)
