"""Figures: hand-made cases, properties, and equality with the scorer beside the shared media."""

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.evaluation.annotations import (
    Annotation,
    Prediction,
    parse_annotations,
    parse_predictions,
)
from alignment.evaluation.matching import Match, average_precision, match, overlaps
from alignment.evaluation.metrics import Figures, evaluate, figures
from alignment.evaluation.per_query import outcome
from alignment.evaluation.report import report_document

SHARED = Path(__file__).resolve().parents[4] / "shared" / "media"


def asked(
    qid: int, *windows: tuple[float, float], duration: float = 100.0, vid: str = "v", **labels: Any
) -> Annotation:
    return Annotation(qid, f"query {qid}", vid, duration, windows, **labels)


def overall(annotations: list[Annotation], *predictions: Prediction) -> Figures:
    return evaluate(annotations, predictions).overall


def test_overlap_is_intersection_over_union_and_nothing_where_windows_only_touch() -> None:
    found = overlaps([(0, 10, 1), (5, 15, 1), (20, 22, 1)], [(0, 10), (10, 20)])
    np.testing.assert_allclose(found, np.array([[1, 0], [1 / 3, 1 / 3], [0, 0]]))
    assert overlaps([], [(0, 1)]).shape == (0, 1)
    assert overlaps([(0, 1, 1)], []).shape == (1, 0)


def test_a_better_scored_prediction_takes_the_window_although_a_later_one_fits_better() -> None:
    overlap = overlaps([(0, 9, 0.9), (0, 10, 0.8)], [(0, 10), (30, 40)])
    assert match(overlap, 0.5) == (Match(0, 0),)


def test_a_prediction_takes_the_window_it_fits_best() -> None:
    assert match(overlaps([(0, 10, 1)], [(0, 6), (0, 9)]), 0.5) == (Match(0, 1),)


def test_average_precision_is_interpolated() -> None:
    # Precision 1/1 at recall 1/2, then 2/4 at recall 1: nothing better follows either.
    assert average_precision(np.array([True, False, False, True]), 2) == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    # A miss first: precision 1/2, but 2/3 is still to come at a higher recall.
    assert average_precision(np.array([False, True, True]), 2) == pytest.approx(2 / 3)
    assert average_precision(np.array([], np.bool_), 3) == 0


def test_perfect_predictions() -> None:
    f = overall([asked(0, (0, 10), (20, 30)), asked(1)], Prediction(0, ((20, 30, 1.0), (0, 10, 1.0))))
    at = f.events[0.5]
    assert (at.precision, at.recall, at.f1, at.found) == (1, 1, 1, 2)
    assert (at.start_delay_s, at.abs_start_error_s, at.abs_end_error_s) == (0, 0, 0)
    assert (f.mean_ap, f.pooled_ap, f.r1, f.hit1, f.absent.silent_rate) == (1, 1, 1, 1, 1)
    assert (f.foreground_mse, f.foreground_accuracy) == (0, 1)
    assert (at.false_alerts_per_query_hour, f.absent.false_alerts_per_query_hour) == (0, 0)


def test_a_late_event_is_found_at_the_lower_threshold_only() -> None:
    f = overall([asked(0, (10, 20))], Prediction(0, ((15, 25, 1.0),)))  # tIoU 1/3
    assert (f.events[0.3].f1, f.events[0.5].f1) == (1, 0)
    assert f.events[0.3].start_delay_s == 5
    assert f.events[0.5].start_delay_s is None
    assert f.events[0.5].false_alerts_per_query_hour == 36
    assert f.events[0.3].false_alerts_per_query_hour == 0
    assert f.mean_ap == pytest.approx(0.2)  # found at one of five thresholds
    assert (f.r1, f.hit1) == (0, 1)  # its middle, 20, is the last true moment
    assert f.foreground_mse == pytest.approx(0.1)  # 5 s missed and 5 s too many, of 100
    assert f.foreground_accuracy == pytest.approx(0.9)


def test_early_and_late_starts_cancel_in_the_delay_and_add_up_in_the_error() -> None:
    f = overall([asked(0, (10, 20), (40, 50))], Prediction(0, ((9, 20, 0.5), (41, 50, 0.5))))
    assert f.events[0.5].start_delay_s == 0
    assert f.events[0.5].abs_start_error_s == 1


def test_exactly_the_threshold_is_enough_in_spite_of_binary_fractions() -> None:
    half = Prediction(0, ((0.3, 0.6, 1.0),))
    assert overlaps(half.windows, [(0.3, 0.9)])[0, 0] < 0.5
    f = overall([asked(0, (0.3, 0.9))], half)
    assert (f.events[0.5].found, f.r1) == (1, 1)


def test_an_alert_that_only_touches_the_truth_is_false() -> None:
    f = overall([asked(0, (10, 20))], Prediction(0, ((19, 39, 1.0), (20, 30, 0.5))))
    assert f.events[0.3].false_alerts_per_query_hour == 72


def test_an_alert_over_the_whole_video_is_false_although_it_touches_every_window() -> None:
    a = asked(0, (10, 12), (40, 42), (70, 72))
    everything = outcome(a, [(0, 99, 1.0)])
    assert everything.false_alerts == 1
    f = figures([everything])
    assert (f.events[0.3].recall, f.events[0.3].false_alerts_per_query_hour) == (0, 36)


def test_a_second_alert_on_a_window_that_is_taken_is_false() -> None:
    assert outcome(asked(0, (10, 20)), [(10, 20, 0.9), (10, 19, 0.8)]).false_alerts == 1


def test_false_alerts_on_absent_queries_are_counted_apart() -> None:
    annotations = [asked(0, (0, 10)), asked(1), asked(2)]
    f = overall(annotations, Prediction(0, ((40, 50, 0.5),)), Prediction(1, ((1, 2, 0.9), (50, 60, 0.9))))
    assert f.events[0.3].false_alerts_per_query_hour == pytest.approx(36)  # three in 300 s
    assert (f.absent.queries, f.absent.predicted, f.absent.silent_rate) == (2, 2, 0.5)
    assert f.absent.false_alerts_per_query_hour == pytest.approx(36)  # two in 200 s


def test_an_alert_on_an_absent_query_costs_precision_and_the_pooled_list_but_no_mean_over_queries() -> None:
    annotations = [asked(0, (0, 10)), asked(1), asked(2)]
    f = overall(annotations, Prediction(0, ((0, 10, 0.5),)), Prediction(1, ((50, 60, 0.9),)))
    assert (f.events[0.5].precision, f.events[0.5].recall) == (0.5, 1)
    assert (f.mean_ap, f.r1, f.hit1) == (1, 1, 1)
    assert f.pooled_ap == 0.5
    assert f.absent.silent_rate == 0.5


def test_figures_that_nothing_defines_are_none() -> None:
    silent, loud = overall([asked(0)]), overall([asked(0)], Prediction(0, ((1, 2, 0.5),)))
    assert (silent.events[0.5].precision, silent.events[0.5].recall, silent.mean_ap) == (None, None, None)
    assert (loud.events[0.5].precision, loud.events[0.5].f1, loud.r1) == (0, None, None)
    present = overall([asked(0, (1, 2))])
    assert (present.absent.silent_rate, present.absent.false_alerts_per_query_hour) == (None, None)


def test_the_foreground_believes_the_surer_of_two_events_and_cuts_scores_to_probabilities() -> None:
    f = overall([asked(0, (0, 2), duration=4)], Prediction(0, ((0, 1, 7.0), (0, 3, 0.5), (0, 2, 0.25))))
    assert f.foreground_mse == pytest.approx((0 + 0.25 + 0.25 + 0) / 4)
    assert f.foreground_accuracy == pytest.approx(3 / 4)


def test_a_video_shorter_than_a_second_has_one() -> None:
    f = overall([asked(0, (0, 0.4), duration=0.4)], Prediction(0, ((0, 0.4, 1.0),)))
    assert (f.foreground_mse, f.foreground_accuracy) == (0, 1)


def test_groups_hold_their_own_queries() -> None:
    annotations = [
        asked(0, (0, 10), kind="object", modality="vision", source="photo"),
        asked(1, (0, 10), kind="speech", modality="speech", source="speech"),
    ]
    report = evaluate(annotations, [Prediction(0, ((0, 10, 1.0),))])
    assert {k: f.events[0.5].recall for k, f in report.per_kind.items()} == {"object": 1, "speech": 0}
    assert list(report.per_source) == ["photo", "speech"]
    assert list(report.per_modality_kind) == ["speech/speech", "vision/object"]
    assert report.input.queries_without_line == 1


def test_a_family_has_its_absent_queries_and_all_absent_queries_are_a_group() -> None:
    annotations = [
        asked(0, (0, 10), kind="de_person", source="person"),
        asked(1, kind="absent", source="person"),
        asked(2, (0, 10), kind="object", source="clip", modality="vision"),
        asked(3, kind="absent", source="near_miss", modality="sound"),
    ]
    assert [a.family for a in annotations] == ["person", "person", "clip", "sound"]
    report = evaluate(annotations, [Prediction(1, ((0, 10, 1.0),))])
    assert {k: (f.queries, f.predicted) for k, f in report.per_family.items()} == {
        "person": (2, 1),
        "sound": (1, 0),
        "clip": (1, 0),
        "absent": (2, 1),
    }
    assert list(report.per_family) == ["person", "sound", "clip", "absent"]


def some_right(seed: int) -> Figures:
    """Forty queries on seven videos: some windows are found, some events are false."""
    annotations = [asked(i, (0, 10), vid=f"v{i % 7}") if i % 5 else asked(i, vid=f"v{i % 7}") for i in range(40)]
    predictions = [Prediction(i, ((0, 10, 1.0), (50, 60, 0.5))) for i in range(40) if i * i % 11 < 5]
    return evaluate(annotations, predictions, seed=seed).overall


def test_intervals_are_seeded_and_hold_their_figures() -> None:
    f, at = some_right(3), some_right(3).events[0.3]
    assert f.ci95 is not None
    found = f.ci95.events[0.3]
    for value, interval in [
        (at.precision, found.precision),
        (at.recall, found.recall),
        (at.f1, found.f1),
        (at.false_alerts_per_query_hour, found.false_alerts),
        (f.absent.false_alerts_per_query_hour, f.ci95.absent_false_alerts),
    ]:
        assert interval is not None
        assert value is not None
        assert interval[0] < value < interval[1]
    assert f.ci95 == some_right(3).ci95
    assert f.ci95 != some_right(4).ci95


def test_one_video_says_nothing_of_others() -> None:
    f = evaluate([asked(0, (0, 10))], [Prediction(0, ((0, 10, 1.0),))]).overall
    assert f.ci95 is not None
    assert (f.ci95.events[0.3].f1, f.ci95.absent_false_alerts) == (None, None)


def test_videos_that_are_alike_have_an_interval_of_no_width() -> None:
    annotations = [asked(i, (0, 10), vid=f"v{i}") for i in range(3)]
    f = evaluate(annotations, [Prediction(i, ((0, 9, 1.0),)) for i in range(3)]).overall
    assert f.ci95 is not None
    assert f.ci95.events[0.3].f1 == (1, 1)
    assert f.ci95.events[0.3].false_alerts == (0, 0)


def test_the_report_names_tiou_and_interval() -> None:
    f = report_document(evaluate([asked(0, (0, 10)), asked(1, vid="w")], [Prediction(1, ((0, 9, 1.0),))]))
    assert f["overall"]["absent"] == {
        "n_queries": 1,
        "n_pred": 1,
        "query_hours": 0.0278,
        "false_alerts_per_query_hour": 36.0,
        "silent_rate": 0.0,
        "ci95": {"false_alerts_per_query_hour": [36.0, 36.0]},
    }
    assert set(f["overall"]["tIoU@0.3"]["ci95"]) == {"precision", "recall", "f1", "false_alerts_per_query_hour"}
    assert set(f["per_family"]) == {"unlabelled", "absent"}


def test_the_documented_report_has_exactly_the_keys_of_a_report() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "evaluation.md").read_text()
    documented = json.loads(next(b for b in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if '"overall"' in b))
    predicted = Prediction(0, ((0, 9, 1.0),), alerts=(1.0,))
    report = report_document(evaluate([asked(0, (0, 10)), asked(1, vid="w")], [predicted]))
    assert _keys(documented["overall"]) == _keys(report["overall"])
    assert set(documented) == {*report, "calibration", "retrieval", "qvhighlights"}


def _keys(document: dict[str, Any], path: str = "") -> set[str]:
    nested = [_keys(v, f"{path}{k}.") for k, v in document.items() if isinstance(v, dict)]
    return {f"{path}{k}" for k in document}.union(*nested)


def test_a_prediction_without_a_usable_time_still_counts_as_a_false_alert() -> None:
    text = '{"qid": 0, "pred_relevant_windows": [[5, 5, 0.9], [7], [NaN, 3, 0.2], [0, 10], [1, 2, Infinity]]}'
    (prediction,) = parse_predictions([text], "p.jsonl")
    assert prediction.invalid == 4
    f = overall([asked(0, (0, 10))], prediction)
    assert (f.predicted, f.events[0.5].found) == (5, 1)
    assert f.events[0.3].false_alerts_per_query_hour == pytest.approx(144)
    assert evaluate([asked(0, (0, 10))], [prediction]).input.invalid_windows == 4


# Properties

times = st.floats(0, 60, allow_nan=False).map(lambda x: round(x, 2))
spans = st.tuples(times, st.floats(0.1, 20)).map(lambda x: (x[0], x[0] + x[1]))
scored = st.tuples(spans, st.floats(0, 1)).map(lambda x: (*x[0], x[1]))
queries = st.lists(st.tuples(st.lists(spans, max_size=3), st.lists(scored, max_size=4)), min_size=1, max_size=5)


def _built(drawn: list[Any]) -> tuple[list[Annotation], list[Prediction]]:
    annotations = [asked(i, *truths, vid=f"v{i % 2}") for i, (truths, _) in enumerate(drawn)]
    return annotations, [Prediction(i, tuple(windows)) for i, (_, windows) in enumerate(drawn)]


@settings(max_examples=60, deadline=None)
@given(queries)
def test_figures_stay_within_their_bounds(drawn: list[Any]) -> None:
    f = overall(*_built(drawn)[:1], *_built(drawn)[1])
    low, high = f.events[0.5], f.events[0.3]
    shares = [low.precision, low.recall, low.f1, f.absent.silent_rate, f.mean_ap, f.pooled_ap, f.r1, f.hit1]
    shares += [f.foreground_mse, f.foreground_accuracy]
    assert all(x is None or 0 <= x <= 1 + 1e-12 for x in shares)
    assert low.found <= min(f.predicted, f.truths)
    assert 2 * high.found >= low.found  # a maximal matching has at least half the pairs of any other
    assert low.false_alerts_per_query_hour is not None
    assert high.false_alerts_per_query_hour is not None
    assert f.absent.predicted <= f.predicted - high.found


@settings(max_examples=60, deadline=None)
@given(queries, st.randoms(use_true_random=False))
def test_the_order_of_input_does_not_matter(drawn: list[Any], dice: random.Random) -> None:
    annotations, predictions = _built(drawn)
    others = [dice.sample(p.windows[1:], len(p.windows[1:])) for p in predictions]  # R1 is of the first listed
    shuffled = [replace(p, windows=(*p.windows[:1], *rest)) for p, rest in zip(predictions, others, strict=True)]
    one = evaluate(annotations, predictions)
    other = evaluate(dice.sample(annotations, len(annotations)), dice.sample(shuffled, len(shuffled)))
    assert report_document(one) == report_document(other)


@settings(max_examples=60, deadline=None)
@given(queries)
def test_what_is_true_is_a_perfect_prediction(drawn: list[Any]) -> None:
    annotations = [asked(i, *truths) for i, (truths, _) in enumerate(drawn)]
    predictions = [Prediction(a.qid, tuple((s, e, 1.0) for s, e in a.windows)) for a in annotations]
    f = overall(annotations, *predictions)
    assert f.events[0.5].f1 in (1, None)
    assert (f.foreground_mse, f.foreground_accuracy) == (0, 1)


# The reference


def _disturbed(row: dict[str, Any], dice: random.Random) -> list[list[float]]:
    """Windows near the truth and far from it, ties in score, and a few that are no windows at all."""
    windows = [
        [s + dice.uniform(-4, 4), e + dice.uniform(-4, 4), dice.choice([0.5, dice.random()])]
        for s, e in row["relevant_windows"]
        if dice.random() < 0.8
    ]
    while dice.random() < 0.35:
        start = dice.uniform(0, 110)
        windows.append([start, start + dice.uniform(1, 15), dice.choice([0.5, dice.random()])])
    windows += dice.choice([[], [], [], [[5.0, 5.0, 0.4]], [[float("nan"), 3.0, 0.5]], [[5.0]], [[3.0, 8.0]]])
    return dice.sample(windows, len(windows))


def _renamed(theirs: dict[str, Any]) -> dict[str, Any]:
    """Return the scorer's document with our names, without its "stray alerts", which we do not report."""
    interval = theirs["overall"].pop("f1@0.5_ci95_over_streams")
    for group in [theirs["overall"], *(f for k in theirs if k.startswith("per_") for f in theirs[k].values())]:
        del group["stray_alerts_per_query_hour"]
        group["absent"] = {"silent_rate": group.pop("silent_absent_rate")}
    theirs["overall"]["tIoU@0.5"]["ci95"] = {"f1": interval}
    return theirs


def _differences(theirs: dict[str, Any], ours: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for key, value in theirs.items():
        if isinstance(value, dict):
            found += _differences(value, ours[key], f"{path}{key}.")
        elif value != ours[key]:
            found.append(f"{path}{key}: {value} != {ours[key]}")
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared media are not on this machine")
@pytest.mark.parametrize("seed", range(5))
def test_every_figure_equals_the_reference_scorer(seed: int, tmp_path: Path) -> None:
    annotations = SHARED / "streams" / "annotations.jsonl"
    predictions = tmp_path / "p.jsonl"
    dice = random.Random(seed)
    rows = [json.loads(text) for text in annotations.read_text().splitlines()]
    lines = [
        {"qid": row["qid"], "pred_relevant_windows": _disturbed(row, dice)} for row in rows if dice.random() < 0.9
    ] + [{"qid": 10**6, "pred_relevant_windows": [[1, 2, 0.5]]}]
    predictions.write_text("".join(json.dumps(x) + "\n" for x in dice.sample(lines, len(lines))))
    script = SHARED / "tools" / "score.py"
    command = [
        sys.executable,
        str(script),
        "--annotations",
        str(annotations),
        "--predictions",
        str(predictions),
    ]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    report = evaluate(
        parse_annotations(annotations.read_text().splitlines(), "a"),
        parse_predictions(predictions.read_text().splitlines(), "p"),
    )
    ours = report_document(report)
    assert theirs["overall"]["tIoU@0.5"]["tp"] > 20  # the comparison is about something
    assert _differences(_renamed(theirs), ours) == []
