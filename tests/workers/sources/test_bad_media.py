"""Every file of the collection of damaged media behaves as its manifest says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.videos.media import Run, read_all
from workers.errors import SourceInvalid
from workers.sources.random_access import read_frames_at
from workers.types import FrameSpec

SPEC = FrameSpec(48, 48, "crop")
REFUSED = {"zero-byte.mp4", "text.mp4", "random-bytes.mp4", "truncated-no-moov.mp4"}
# name: (frames at 1 fps, last frame's second, epochs, has sound)
EXPECTED = {
    "good_reference.mp4": (10, 9.0, 1, True),
    "corrupted.mp4": (5, 4.0, 1, False),
    "unordered.mov": (1, 0.0, 1, False),
    "rotated_0.mov": (1, 0.0, 1, False),
    "rotated_90.mov": (1, 0.0, 1, False),
    "rotated_180.mov": (1, 0.0, 1, False),
    "rotated_270.mov": (1, 0.0, 1, False),
    "truncated.mp4": (4, 3.0, 1, True),
    "bitflips.mp4": (10, 9.0, 1, True),
    "audio-only.m4a": (0, 0.0, 0, True),
    "no-audio.mp4": (10, 9.0, 1, False),
    "silent-audio.mp4": (7, 6.0, 1, True),
    "audio-2.5s-late.mp4": (10, 9.0, 1, True),
    "multi-audio.mkv": (10, 9.0, 1, True),
    "1-frame.mp4": (1, 0.0, 1, False),
    "vfr.mp4": (10, 9.0, 1, False),
    "hevc-10bit.mp4": (4, 3.0, 1, True),
    "h264-high10.mp4": (4, 3.0, 1, True),
    "odd-321x241.mp4": (4, 3.0, 1, False),
    "tiny-16x16.mp4": (3, 2.0, 1, False),
    "uhd-4k.mp4": (1, 0.0, 1, False),
    "resolution-change.ts": (8, 7.0, 1, False),
    "huge-pts-jump.ts": (12, 11.0, 2, True),
    "pts-restart.ts": (12, 11.0, 2, True),
    "pts-wrap.ts": (10, 9.0, 1, True),
    "late-start.ts": (10, 9.0, 1, True),
    "starts-mid-gop.ts": (5, 5.0, 1, True),
    "interlaced.ts": (6, 5.0, 1, True),
    "fragmented.mp4": (11, 10.0, 1, True),
    "mpeg4.avi": (11, 10.0, 1, True),
    "mjpeg.avi": (4, 3.0, 1, True),
    "vp9-opus.webm": (6, 5.0, 1, True),
    "black.mp4": (6, 5.0, 1, False),
    "name with späce 'quote'.mp4": (10, 9.0, 1, True),
    "wrong-extension.txt": (10, 9.0, 1, True),
}


def test_every_file_is_expected_here(bad_media: Path) -> None:
    there = {p.name for p in bad_media.iterdir()} - {"MANIFEST.tsv"}
    assert there == REFUSED | set(EXPECTED)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_read_is_refused(bad_media: Path, name: str) -> None:
    with pytest.raises(SourceInvalid, match=name):
        read_all(bad_media / name, SPEC)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_is_there_is_read(bad_media: Path, name: str) -> None:
    frames, last, segments, sound = EXPECTED[name]
    got = read_all(bad_media / name, SPEC)
    assert len(got.pts) == frames
    assert np.all(np.diff(got.pts) > 0)
    assert np.all(got.pts >= 0)
    if frames:
        assert got.pts[-1] == pytest.approx(last, abs=0.15)
        assert got.frames.shape == (frames, 48, 48, 3)
    assert len(set(got.segments)) == segments
    assert bool(got.chunks) == got.info.has_audio == sound
    assert got.info.has_video == bool(frames)


def read(bad_media: Path, name: str, **changes: Any) -> Run:
    return read_all(bad_media / name, SPEC, **changes)


def test_damage_is_counted(bad_media: Path) -> None:
    assert read(bad_media, "corrupted.mp4").snapshot.dropped == {"corrupt": 1}
    assert not read(bad_media, "good_reference.mp4").snapshot.dropped


def test_truncation_is_reported(bad_media: Path) -> None:
    got = read(bad_media, "truncated.mp4")
    assert "truncated: 10.0 s declared" in (got.snapshot.last_error or "")
    assert got.pts[-1] < 3.9
    assert got.chunks[-1].end_s < 4.2
    assert read(bad_media, "good_reference.mp4").snapshot.last_error is None


def test_late_sound_is_late_by_what_it_is(bad_media: Path) -> None:
    good, late = read(bad_media, "good_reference.mp4"), read(bad_media, "audio-2.5s-late.mp4")
    begin = late.chunks[0].start_s - good.chunks[0].start_s
    assert begin == pytest.approx(2.5, abs=0.03)
    n = 5 * 16000
    matches = [np.corrcoef(good.sound[4000 : 4000 + n], late.sound[k : k + n])[0, 1] for k in range(3000, 5500)]
    assert max(matches) > 0.8
    shift = begin + (3000 + int(np.argmax(matches)) - 4000) / 16000
    assert shift == pytest.approx(2.5, abs=0.005)


def test_tracks_are_not_mixed(bad_media: Path) -> None:
    tracks = [read(bad_media, "multi-audio.mkv", audio_track=n).sound[16000:80000] for n in range(3)]
    default = read(bad_media, "multi-audio.mkv").sound[16000:80000]
    assert np.array_equal(default, tracks[0])
    assert abs(np.corrcoef(tracks[0], tracks[1])[0, 1]) < 0.2


def test_silence_is_silent(bad_media: Path) -> None:
    assert np.abs(read(bad_media, "silent-audio.mp4").sound).max() < 1e-3


def test_rotated_pictures_are_upright(bad_media: Path) -> None:
    """decord applies the display matrix by itself: it is the judge."""
    for degrees in (0, 90, 180, 270):
        path = bad_media / f"rotated_{degrees}.mov"
        got = read_all(path, SPEC).frames[0].astype(float)
        _, shown = read_frames_at(str(path), [0.0], SPEC)
        by_turns = [np.abs(np.rot90(got, k) - shown[0]).mean() for k in range(4)]
        assert int(np.argmin(by_turns)) == 0, degrees
        assert by_turns[0] < 12
