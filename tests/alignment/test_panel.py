"""z-scores against a panel of names: what they ignore, what they keep, and that clips stay final."""

from dataclasses import replace

import numpy as np
import pytest

from alignment.calibration import CLIP_CALIBRATION
from alignment.panel import COLUMNS, LEAST_STRENGTH, STRENGTH, PanelReader, reader_of, z_scores
from alignment.types import F32
from tests.support.models.aligners import units

RNG = np.random.default_rng(0)
PANEL, FRAMES = units(RNG, 200, 32), units(RNG, 40, 32)
SEEN = np.ones(40, bool)


def test_the_offset_of_a_frame_and_the_scale_of_the_space_cancel() -> None:
    """In a space with a gap and a narrow cone every cosine is a + b · cosine, with another a for every frame."""
    offset = RNG.normal(0.2, 0.05, (40, 1)).astype(np.float32)
    here = _scores(FRAMES, PANEL)
    narrow = np.concatenate([0.3 * FRAMES, offset], 1), np.concatenate([PANEL, np.ones((200, 1), np.float32)], 1)
    np.testing.assert_allclose(_scores(*narrow), here, atol=1e-3)
    assert here.std() == pytest.approx(1.4, abs=0.4)  # r: t of noise is below what `lite` shows


def _scores(frames: F32, panel: F32) -> F32:
    read, scales = PanelReader(panel.astype(np.float32))(frames.astype(np.float32), SEEN)
    return z_scores(read @ panel.T, scales)


def test_a_picture_that_stays_is_averaged_and_one_that_comes_is_not() -> None:
    """Two pictures of twenty clips each, with noise of every clip, among it a clip without a frame."""
    pictures = np.repeat(units(RNG, 2, 32), 20, 0)
    shown, real = (pictures + 0.3 * units(RNG, 40, 32)).astype(np.float32), np.arange(40) != 30
    read, _ = PanelReader(PANEL)(np.where(real[:, None], shown, 0), real)
    error, before = (np.linalg.norm(x - pictures, axis=1)[real] for x in (read, shown))
    assert error[5:20].mean() < 0.7 * before[5:20].mean()
    np.testing.assert_allclose(read[20], shown[20], atol=1e-6)
    assert not read[30].any()


def test_what_comes_into_a_quiet_picture_is_seen_at_once() -> None:
    """An unchanging camera: what changes the picture more than its little noise does is not averaged away."""
    picture, guest = units(RNG, 2, 32)
    quiet = np.tile(picture, (40, 1)) + 0.05 * units(RNG, 40, 32)
    quiet[30:] += 0.3 * guest
    read, _ = PanelReader(PANEL)(quiet.astype(np.float32), SEEN)
    np.testing.assert_allclose(read[30], quiet[30], atol=1e-6)
    assert np.linalg.norm(read[35] - quiet[35]) > 0.01  # and then the new picture is


@pytest.mark.parametrize("steps", [[1] * 40, [3, 20, 17]])
def test_a_stream_in_steps_is_read_as_the_whole_is(steps: list[int]) -> None:
    """The last clip of a step is provisional and is read again, as by the aligners."""
    reader, found, end = PanelReader(PANEL), np.zeros((40, 32 + COLUMNS), np.float32), 0
    for step in steps:
        begin, end = max(0, end - 1), end + step
        found[begin:end] = np.concatenate(reader(FRAMES[begin:end], SEEN[begin:end], begin), axis=1)
    whole = np.concatenate(PanelReader(PANEL)(FRAMES, SEEN), axis=1)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)


def test_later_clips_do_not_change_how_earlier_ones_are_read() -> None:
    other = FRAMES.copy()
    other[20:] = PANEL[:20]
    before, after = (np.concatenate(PanelReader(PANEL)(frames, SEEN), axis=1) for frames in (FRAMES, other))
    np.testing.assert_array_equal(before[:20], after[:20])
    assert (before[20:] != after[20:]).any()


def test_the_strength_of_a_space_is_learned_within_limits() -> None:
    noise = PanelReader(PANEL)(np.tile(FRAMES, (20, 1)), np.ones(800, bool))[1]
    assert noise[0, 2] == pytest.approx(1.0, abs=0.06)
    assert noise[-1, 2] == pytest.approx(np.sqrt(STRENGTH / LEAST_STRENGTH), rel=1e-3)  # t of 200 is below 3.3
    clear = PanelReader(PANEL)(np.tile(PANEL, (4, 1)), np.ones(800, bool))[1]
    assert clear[-1, 2] == pytest.approx(1.1, abs=0.15)


def test_a_clip_without_a_frame_teaches_nothing() -> None:
    blind = np.arange(40) % 2 == 0
    scales = PanelReader(PANEL)(np.where(blind[:, None], FRAMES, 0).astype(np.float32), blind)[1]
    np.testing.assert_allclose(scales[1::2, 2], scales[::2, 2], rtol=1e-3)
    assert np.isfinite(scales).all()


def test_a_still_scene_stays_judged_for_days() -> None:
    """One frame for three days: r settles, and the state stays small."""
    reader = PanelReader(PANEL)
    for at in range(0, 3000, 60):
        scales = reader(np.repeat(FRAMES[:1], 60, 0), np.ones(60, bool), at)[1]
    assert scales[-1, 2] == pytest.approx(scales[0, 2], rel=1e-3)
    assert len(reader._sums) < 600


def test_a_measured_strength_is_where_a_stream_begins() -> None:
    calibration = replace(CLIP_CALIBRATION, panel=PANEL.astype(np.float32))
    unknown, measured = reader_of(calibration), reader_of(replace(calibration, strength=4.0))
    assert unknown is not None
    assert measured is not None
    frames = FRAMES.astype(np.float32)
    first, known = unknown(frames, SEEN)[1][:, 2], measured(frames, SEEN)[1][:, 2]
    strength = STRENGTH / known**2
    assert strength[0] == pytest.approx((8 * 4.0 + _t()[0]) / 9, rel=1e-3)
    assert STRENGTH / first[0] ** 2 == pytest.approx((8 * STRENGTH + _t()[0]) / 9, rel=1e-3)
    assert abs(strength[-1] - STRENGTH / first[-1] ** 2) < 0.5  # both follow what is seen


def test_an_encoder_without_a_panel_has_no_scale() -> None:
    assert reader_of(CLIP_CALIBRATION) is None


def _t() -> F32:
    cosines = FRAMES @ PANEL.T
    return np.asarray((cosines.max(axis=1) - cosines.mean(axis=1)) / cosines.std(axis=1))
