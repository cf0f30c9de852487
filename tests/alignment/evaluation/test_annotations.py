"""Annotations and predictions: how they are read, and what is said of those that are wrong."""

import json
from dataclasses import replace
from typing import Any

import pytest

from alignment.evaluation.annotations import (
    Annotation,
    AnnotationError,
    Prediction,
    parse_annotations,
    parse_predictions,
    prediction_line,
)


def line(**changes: Any) -> str:
    row = {"qid": 1, "query": "a cat", "vid": "v", "duration": 10, "relevant_windows": [[1, 2]]} | changes
    return json.dumps({k: v for k, v in row.items() if v is not ...})


def test_annotations_are_read_with_and_without_labels() -> None:
    rows = [line(), "", line(qid="b", kind="object", image="b.png", extra=1)]
    plain, labelled = parse_annotations(rows, "a.jsonl")
    assert plain == Annotation(1, "a cat", "v", 10.0, ((1.0, 2.0),))
    assert labelled == replace(plain, qid="b", kind="object", image="b.png")


def test_saliency_is_read_by_clip() -> None:
    (rated,) = parse_annotations([line(relevant_clip_ids=[3, 4], saliency_scores=[[1, 2], [4, 0]])], "a.jsonl")
    assert rated.saliency == ((3, (1.0, 2.0)), (4, (4.0, 0.0)))
    (given,) = parse_predictions(['{"qid": 1, "pred_saliency_scores": [0.5, -1]}'], "p.jsonl")
    assert given.saliency == (0.5, -1.0)


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
        (line(relevant_windows=[[2, 1]]), "end after start"),
        (line(relevant_windows=[[1, float("nan")]]), "end after start"),
        (line(relevant_windows=[[1, 2, 3]]), "end after start"),
        (line(relevant_windows=[["a", 2]]), "not a list of numbers"),
        (line(saliency_scores=[[1]], relevant_clip_ids=[]), "0 relevant_clip_ids have 1 saliency_scores"),
        (line(saliency_scores=[[1]], relevant_clip_ids=[-1]), "not the number of a clip"),
        (line(saliency_scores=[1], relevant_clip_ids=[1]), "not a list of numbers"),
    ],
)
def test_a_bad_annotation_names_file_and_line(text: str, said: str) -> None:
    with pytest.raises(AnnotationError, match=rf"^a\.jsonl:3: .*{said}"):
        parse_annotations([line(qid=5), "", text], "a.jsonl")


def test_a_query_stands_in_one_line_only() -> None:
    with pytest.raises(AnnotationError, match=r"^a\.jsonl:2: qid 1 is already in line 1"):
        parse_annotations([line(), line()], "a.jsonl")
    with pytest.raises(AnnotationError, match=r"^p\.jsonl:2: qid 1 is already in line 1"):
        parse_predictions(['{"qid": 1}', '{"qid": 1}'], "p.jsonl")


@pytest.mark.parametrize("times", ["[1]", "[1, NaN]", '"soon"'])
def test_every_window_needs_its_alert_time(times: str) -> None:
    text = f'{{"qid": 0, "pred_relevant_windows": [[0, 1, 1], [2, 3, 1]], "pred_alert_times": {times}}}'
    with pytest.raises(AnnotationError, match=r"^p\.jsonl:1: "):
        parse_predictions([text], "p.jsonl")


def test_a_prediction_that_is_no_list_of_numbers_names_file_and_line() -> None:
    with pytest.raises(AnnotationError, match=r"^p\.jsonl:1: .*not a list of numbers"):
        parse_predictions(['{"qid": 0, "pred_relevant_windows": [["soon", 2, 1]]}'], "p.jsonl")


def test_a_written_prediction_is_read_again() -> None:
    for alerts in (None, (2.5,)):
        written = Prediction("ä", ((1.5, 2.25, 0.5),), alerts=alerts)
        text = prediction_line("一只猫", "v", written)
        assert text.count("\n") == 1
        assert parse_predictions([text], "p") == (written,)
