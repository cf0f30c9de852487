"""Figures: hand-made cases, properties, and equality with the scorer beside the shared media."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.annotations import (
    Annotation,
    AnnotationError,
    Prediction,
    parse_annotations,
    parse_predictions,
    prediction_line,
)
from alignment.evaluation import Figures, evaluate
from alignment.matching import Match, average_precision, match, overlaps
from alignment.report import report_document

SHARED = Path(__file__).resolve().parents[3] / "shared" / "media"


def asked(qid: int, *windows: tuple[float, float], duration: float = 100.0, **labels: str) -> Annotation:
    return Annotation(qid, f"query {qid}", labels.pop("vid", "v"), duration, windows, **labels)


def overall(annotations: list[Annotation], *predictions: Prediction) -> Figures:
    return evaluate(annotations, predictions).overall


def test_overlap_is_intersection_over_union_and_nothing_where_windows_only_touch() -> None:
    found = overlaps([(0, 10, 1), (5, 15, 1), (20, 22, 1)], [(0, 10), (10, 20)])
    np.testing.assert_allclose(found, [[1, 0], [1 / 3, 1 / 3], [0, 0]])
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
    assert (f.mean_ap, f.pooled_ap, f.r1, f.hit1, f.silent_absent_rate) == (1, 1, 1, 1, 1)
    assert (f.foreground_mse, f.foreground_accuracy) == (0, 1)
    assert (at.false_alerts_per_query_hour, f.stray_alerts_per_query_hour) == (0, 0)


def test_a_late_event_is_found_at_the_lower_threshold_only() -> None:
    f = overall([asked(0, (10, 20))], Prediction(0, ((15, 25, 1.0),)))  # tIoU 1/3
    assert (f.events[0.3].f1, f.events[0.5].f1) == (1, 0)
    assert f.events[0.3].start_delay_s == 5
    assert f.events[0.5].start_delay_s is None
    assert f.events[0.5].false_alerts_per_query_hour == 36
    assert f.stray_alerts_per_query_hour == 0
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


def test_an_alert_that_touches_the_truth_is_false_but_no_stray() -> None:
    f = overall([asked(0, (10, 20))], Prediction(0, ((19, 39, 1.0), (20, 30, 0.5))))
    assert f.events[0.3].false_alerts_per_query_hour == 72
    assert f.stray_alerts_per_query_hour == 36


def test_an_alert_on_an_absent_query_costs_precision_and_the_pooled_list_but_no_mean_over_queries() -> None:
    annotations = [asked(0, (0, 10)), asked(1), asked(2)]
    f = overall(annotations, Prediction(0, ((0, 10, 0.5),)), Prediction(1, ((50, 60, 0.9),)))
    assert (f.events[0.5].precision, f.events[0.5].recall) == (0.5, 1)
    assert (f.mean_ap, f.r1, f.hit1) == (1, 1, 1)
    assert f.pooled_ap == 0.5
    assert f.silent_absent_rate == 0.5
    assert f.stray_alerts_per_query_hour == pytest.approx(12)  # one in 300 s


def test_figures_that_nothing_defines_are_none() -> None:
    silent, loud = overall([asked(0)]), overall([asked(0)], Prediction(0, ((1, 2, 0.5),)))
    assert (silent.events[0.5].precision, silent.events[0.5].recall, silent.mean_ap) == (None, None, None)
    assert (loud.events[0.5].precision, loud.events[0.5].f1, loud.r1) == (0, None, None)
    assert overall([asked(0, (1, 2))]).silent_absent_rate is None


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


def test_the_interval_is_seeded_and_holds_the_figure() -> None:
    annotations = [asked(i, (0, 10), vid=f"v{i % 7}") for i in range(40)]
    predictions = [Prediction(i, ((0, 10, 1.0),)) for i in range(40) if i * i % 11 < 5]
    report = evaluate(annotations, predictions, seed=3)
    f1 = report.overall.events[0.5].f1
    assert f1 is not None
    assert report.f1_interval[0] < f1 < report.f1_interval[1]
    assert report.f1_interval == evaluate(annotations, predictions, seed=3).f1_interval
    assert report.f1_interval != evaluate(annotations, predictions, seed=4).f1_interval


def test_one_video_has_an_interval_of_no_width() -> None:
    assert evaluate([asked(0, (0, 10))], [Prediction(0, ((0, 10, 1.0),))]).f1_interval == (1, 1)


# Reading


def line(**changes: Any) -> str:
    row = {"qid": 1, "query": "a cat", "vid": "v", "duration": 10, "relevant_windows": [[1, 2]]} | changes
    return json.dumps({k: v for k, v in row.items() if v is not ...})


def test_annotations_are_read_with_and_without_labels() -> None:
    rows = [line(), "", line(qid="b", kind="object", image="b.png", extra=1)]
    plain, labelled = parse_annotations(rows, "a.jsonl")
    assert plain == Annotation(1, "a cat", "v", 10.0, ((1.0, 2.0),))
    assert labelled == replace(plain, qid="b", kind="object", image="b.png")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        (line(qid=...), "qid is missing"),
        (line(qid=True), "qid is missing"),
        (line(query=" "), "query is missing"),
        (line(vid=3), "vid is missing"),
        (line(duration="long"), "duration is missing or not a number"),
        (line(duration=0), "above 0"),
        (line(duration=float("inf")), "above 0"),
        (line(relevant_windows=...), "relevant_windows is missing"),
        (line(relevant_windows=[[2, 1]]), "end behind start"),
        (line(relevant_windows=[[1, float("nan")]]), "end behind start"),
        (line(relevant_windows=[[1, 2, 3]]), "end behind start"),
        (line(relevant_windows=[["a", 2]]), "not a list of numbers"),
    ],
)
def test_a_bad_annotation_names_file_and_line(text: str, said: str) -> None:
    with pytest.raises(AnnotationError, match=rf"^a\.jsonl:3: .*{said}"):
        parse_annotations([line(qid=5), "", text], "a.jsonl")


def test_a_query_stands_in_one_line_only() -> None:
    with pytest.raises(AnnotationError, match=r"^a\.jsonl:2: qid 1 stands in line 1 already"):
        parse_annotations([line(), line()], "a.jsonl")
    with pytest.raises(AnnotationError, match=r"^p\.jsonl:2: qid 1 stands in line 1 already"):
        parse_predictions(['{"qid": 1}', '{"qid": 1}'], "p.jsonl")


def test_a_prediction_without_a_usable_time_still_counts_as_a_false_alert() -> None:
    text = '{"qid": 0, "pred_relevant_windows": [[5, 5, 0.9], [7], [NaN, 3, 0.2], [0, 10], [1, 2, Infinity]]}'
    (prediction,) = parse_predictions([text], "p.jsonl")
    assert prediction.invalid == 4
    f = overall([asked(0, (0, 10))], prediction)
    assert (f.predicted, f.events[0.5].found, f.stray_alerts_per_query_hour) == (5, 1, pytest.approx(144))
    assert evaluate([asked(0, (0, 10))], [prediction]).input.invalid_windows == 4


def test_a_prediction_that_is_no_list_of_numbers_names_file_and_line() -> None:
    with pytest.raises(AnnotationError, match=r"^p\.jsonl:1: .*not a list of numbers"):
        parse_predictions(['{"qid": 0, "pred_relevant_windows": [["soon", 2, 1]]}'], "p.jsonl")


def test_a_written_prediction_is_read_again() -> None:
    text = prediction_line("ä", "一只猫", "v", [(1.5, 2.25, 0.5)])
    assert text.count("\n") == 1
    assert parse_predictions([text], "p") == (Prediction("ä", ((1.5, 2.25, 0.5),)),)


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
    shares = [low.precision, low.recall, low.f1, f.silent_absent_rate, f.mean_ap, f.pooled_ap, f.r1, f.hit1]
    shares += [f.foreground_mse, f.foreground_accuracy]
    assert all(x is None or 0 <= x <= 1 + 1e-12 for x in shares)
    assert low.found <= min(f.predicted, f.truths)
    assert 2 * high.found >= low.found  # a maximal matching has at least half the pairs of any other
    assert f.stray_alerts_per_query_hour is not None
    assert high.false_alerts_per_query_hour is not None
    assert f.stray_alerts_per_query_hour <= high.false_alerts_per_query_hour + 1e-9


@settings(max_examples=60, deadline=None)
@given(queries, st.randoms(use_true_random=False))
def test_the_order_of_input_does_not_matter(drawn: list[Any], dice: random.Random) -> None:
    annotations, predictions = _built(drawn)
    shuffled = [replace(p, windows=tuple(dice.sample(p.windows, len(p.windows)))) for p in predictions]
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
    """Windows near the truth, strays, ties in score, and a few that are no windows at all."""
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
    assert _differences(theirs, ours) == []
