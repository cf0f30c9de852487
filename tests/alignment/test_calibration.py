from itertools import pairwise

import numpy as np
import pytest

from alignment.calibration import (
    CLIP_CALIBRATION,
    LITE_CALIBRATION,
    SIGLIP_CALIBRATION,
    SIMILARITY_STRAYS_PER_HOUR,
    Platt,
    text_curve,
    threshold_for_budget,
)


def test_platt_is_a_half_at_its_midpoint_and_rises() -> None:
    curve = Platt(scale=30.0, midpoint=0.1)
    p = curve(np.array([-0.2, 0.1, 0.2], np.float32))
    assert p[1] == pytest.approx(0.5)
    assert p[2] == pytest.approx(1 / (1 + np.exp(-3.0)), abs=1e-6)
    assert p[0] < p[1] < p[2]


def test_platt_takes_extreme_scores_without_overflow() -> None:
    with np.errstate(all="raise"):
        p = Platt(100.0, 0.2)(np.array([-1e6, 1e6], np.float32))
    assert p[0] < 1e-20
    assert p[1] == 1.0


@pytest.mark.parametrize("calibration", [LITE_CALIBRATION, CLIP_CALIBRATION, SIGLIP_CALIBRATION])
def test_every_profile_separates_what_its_family_calls_a_match(calibration: object) -> None:
    vision: Platt = calibration.vision  # type: ignore[attr-defined]  # one of three constants
    below, above = vision(np.array([vision.midpoint - 0.1, vision.midpoint + 0.1], np.float32))
    assert below < 0.1
    assert above > 0.9


def test_a_budget_at_a_measured_rate_gives_its_threshold() -> None:
    for threshold, rate in SIMILARITY_STRAYS_PER_HOUR:
        assert threshold_for_budget(rate) == pytest.approx(threshold)


def test_a_smaller_budget_never_lowers_the_threshold() -> None:
    thresholds = [threshold_for_budget(b) for b in np.geomspace(1e-4, 50, 60)]
    assert all(a >= b for a, b in pairwise(thresholds))
    assert 0 < thresholds[-1] < thresholds[0] < 1


def test_budgets_beyond_the_measured_rates_keep_to_the_measured_thresholds() -> None:
    measured = [threshold for threshold, _ in SIMILARITY_STRAYS_PER_HOUR]
    assert threshold_for_budget(1 / 24) == threshold_for_budget(0.0) == max(measured)
    assert threshold_for_budget(1000.0) == min(measured)


def test_a_budget_between_two_rates_gives_a_threshold_between() -> None:
    assert 0.5 < threshold_for_budget(3.0) < 0.6


def test_the_curve_of_texts_follows_the_cone_of_a_text_tower() -> None:
    """Texts of another tower whose cosines are 0.6 + 0.3 · those of this one mean the same as here."""
    rng = np.random.default_rng(0)
    names = rng.normal(size=(300, 16)) + 0.8
    names = (names / np.linalg.norm(names, axis=1, keepdims=True)).astype(np.float32)
    narrow = np.concatenate([np.sqrt(0.3) * names, np.full((300, 1), np.sqrt(0.6 + 0.1), np.float32)], axis=1)
    cosines = (names[:50] @ names[50:100].T).astype(np.float32)
    narrow_cosines = (narrow[:50] @ narrow[50:100].T).astype(np.float32)
    np.testing.assert_allclose(text_curve(narrow)(narrow_cosines), text_curve(names)(cosines), atol=1e-4)


def test_a_curve_made_for_minilm_is_not_that_of_clip() -> None:
    unrelated = np.array([0.66], np.float32)
    assert CLIP_CALIBRATION.text(unrelated)[0] < 0.2 < 0.9 < LITE_CALIBRATION.text(unrelated)[0]
