"""Detection of starts: hand-made streams of alerts."""

import pytest

from alignment.evaluation.annotations import Annotation, Prediction
from alignment.evaluation.metrics import evaluate, judge
from alignment.evaluation.per_query import outcome
from alignment.evaluation.report import report_document
from alignment.evaluation.start_detection import TOLERANCES, StartFigures, start_figures

NARROW, WIDE = TOLERANCES


def asked(*starts: float, duration: float = 100.0) -> Annotation:
    return Annotation(0, "q", "v", duration, tuple((s, s + 2) for s in starts))


def figures(annotation: Annotation, *alerts: float) -> StartFigures:
    found = start_figures([outcome(annotation, [(a, a + 1, 0.9) for a in alerts], alerts)])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("alert", "narrow", "wide"),
    [
        (50, 1, 1),
        (55, 1, 1),
        (55.1, 0, 1),
        (60, 0, 1),
        (60.1, 0, 0),
        (48, 1, 1),
        (47.9, 0, 1),
        (45, 0, 1),
        (44.9, 0, 0),
    ],
)
def test_an_alert_counts_within_the_tolerance(alert: float, narrow: int, wide: int) -> None:
    f = figures(asked(50), alert)
    assert (f.recall[1, NARROW], f.recall[1, WIDE]) == (narrow, wide)
    assert f.min_distance_s[1] == pytest.approx(abs(alert - 50))


def test_an_early_false_alert_is_one_of_the_first() -> None:
    f = figures(asked(50), 51, 10)
    assert [f.recall[k, NARROW] for k in (1, 2, 3)] == [0, 1, 1]
    assert [f.min_distance_s[k] for k in (1, 2, 3)] == [40, 1, 1]


def test_without_an_alert_the_distance_is_the_length_of_the_stream() -> None:
    f = figures(asked(50))
    assert (f.recall[3, WIDE], f.min_distance_s[3]) == (0, 100)


def test_each_start_has_a_stream_of_its_own() -> None:
    # Streams: 0 to 25, 25 to 75, 75 to 100 (each from 5 s before its start).
    f = figures(asked(10, 30, 80), 11, 28, 76, 81)
    assert f.starts == 3
    assert f.recall[1, NARROW] == pytest.approx(2 / 3)  # the first alert of the third is 4 s early
    assert f.recall[2, NARROW] == 1
    assert f.min_distance_s[1] == pytest.approx((1 + 2 + 4) / 3)
    assert figures(asked(10, 30, 80), 11).min_distance_s[1] == pytest.approx((1 + 50 + 25) / 3)


def test_starts_in_quick_succession_share_the_time_between_them() -> None:
    f = figures(asked(10, 14), 11, 15)
    assert (f.recall[1, NARROW], f.min_distance_s[1]) == (1, 1)


def test_one_long_event_detects_only_the_start_that_it_was_reported_at() -> None:
    everything = outcome(asked(10, 40, 70), [(0, 100, 0.9)], (11.0,))
    found = start_figures([everything])
    assert found is not None
    assert found.recall[3, WIDE] == pytest.approx(1 / 3)


def test_nothing_is_said_without_alert_times_or_starts() -> None:
    assert start_figures([outcome(asked(50), [(50, 52, 0.9)])]) is None
    assert start_figures([outcome(asked(), [(50, 52, 0.9)], (51.0,))]) is None
    unknown = judge([asked(50)], [Prediction(0, ((50, 52, 0.9),))])
    assert start_figures(unknown) is None
    silent = start_figures(judge([asked(50)], []))  # no event, so no alert time is missing
    assert silent is not None
    assert silent.recall[1, WIDE] == 0


def test_the_report_names_k_and_tolerance() -> None:
    report = report_document(evaluate([asked(50)], [Prediction(0, ((50, 52, 0.9),), alerts=(52.5,))]))
    starts = report["overall"]["start_detection"]
    assert starts["SR@1(-2s,+5s)"] == 1
    assert (starts["n_starts"], starts["SMD@3_s"]) == (1, 2.5)
    assert set(starts) >= {"SR@3(-5s,+10s)", "SMD@1_s", "SMD@2_s"}
