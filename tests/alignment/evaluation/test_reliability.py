"""Calibration errors by hand and on draws whose truth is known; Platt's curve finds what made the labels."""

import numpy as np
import pytest

from alignment.calibration import Platt
from alignment.errors import FeatureError
from alignment.evaluation.reliability import expected_calibration_error, fit_platt, reliability


def test_by_hand() -> None:
    p, y = [0.1, 0.2, 0.8, 0.9, 1.0], [0, 1, 1, 1, 0]
    table = reliability(p, y, bins=2)
    assert [(b.low, b.high, b.count) for b in table] == [(0.0, 0.5, 2), (0.5, 1.0, 3)]
    assert [(b.confidence, b.frequency) for b in table] == [
        (pytest.approx(0.15), 0.5),
        (pytest.approx(0.9), pytest.approx(2 / 3)),
    ]
    assert expected_calibration_error(p, y, bins=2) == pytest.approx(0.4 * 0.35 + 0.6 * (0.9 - 2 / 3))


def test_true_probabilities_have_no_error_and_exaggerated_ones_do() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    y = rng.random(50_000) < p
    assert expected_calibration_error(p, y) < 0.01
    sharp = p**3 / (p**3 + (1 - p) ** 3)
    assert expected_calibration_error(sharp, y) > 0.1


def test_nothing_has_no_error() -> None:
    assert reliability([], []) == ()
    assert expected_calibration_error([], []) == 0.0


def test_platt_finds_the_curve_that_made_the_labels() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0.2, 0.1, 40_000)
    made = Platt(scale=30.0, midpoint=0.25)
    fitted = fit_platt(x, rng.random(40_000) < made(x.astype(np.float32)))
    assert fitted.scale == pytest.approx(30, rel=0.05)
    assert fitted.midpoint == pytest.approx(0.25, abs=0.005)


def test_platt_lowers_the_calibration_error() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 5000)
    y = rng.random(5000) < Platt(1.0, 1.5)(x.astype(np.float32))
    before = expected_calibration_error(Platt(4.0, 0.0)(x.astype(np.float32)), y)
    after = expected_calibration_error(fit_platt(x, y)(x.astype(np.float32)), y)
    assert after < 0.03 < 0.1 < before


def test_separable_and_extreme_scores_have_a_finite_fit() -> None:
    fitted = fit_platt([-1e6, -1e6 + 1, 1e6, 1e6 + 1], [0, 0, 1, 1])
    assert np.isfinite([fitted.scale, fitted.midpoint]).all()
    low, high = fitted(np.array([-1e6, 1e6], np.float32))
    assert low == pytest.approx(0.25, abs=0.01)  # Platt's targets: 1/(N+2) and (N+1)/(N+2)
    assert high == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([0.1, 0.2], [1]),
        ([0.1, float("nan")], [0, 1]),
        ([0.1, 0.2], [0, 2]),
        ([0.1, 0.2], [1, 1]),
        ([0.1, 0.9], [1, 0]),
    ],
)
def test_what_cannot_be_fitted_is_refused(scores: list[float], labels: list[float]) -> None:
    with pytest.raises(FeatureError):
        fit_platt(scores, labels)


def test_scores_are_no_probabilities() -> None:
    with pytest.raises(FeatureError, match="between 0 and 1"):
        reliability([1.5], [1])
