"""The official figures of QVHighlights: hand-made cases of each convention, and the published sample."""

import json
from pathlib import Path

import numpy as np
import pytest

from alignment.evaluation.annotations import Annotation, Prediction, parse_annotations, parse_predictions
from alignment.evaluation.qvhighlights import Benchmark, benchmark, clip_average_precision
from alignment.evaluation.report import qvhighlights_document

SHARED = Path(__file__).resolve().parents[4] / "shared" / "media" / "qvhighlights"


def asked(qid: int, *windows: tuple[float, float], ratings: tuple[tuple[float, ...], ...] = ()) -> Annotation:
    return Annotation(qid, "q", f"v{qid}", 10.0, windows, saliency=tuple(enumerate(ratings)))


def official(annotations: list[Annotation], *predictions: Prediction) -> Benchmark:
    return benchmark(annotations, predictions)


def test_r1_is_of_the_first_listed_window_whatever_its_score() -> None:
    first = Prediction(0, ((0, 100, 0.1), (0, 10, 0.9)))
    found = official([asked(0, (0, 10))], first).moments["full"]
    assert (found.r1[0.5], found.ap[0.5]) == (0, 1)


def test_r1_takes_the_true_window_that_overlaps_most() -> None:
    found = official([asked(0, (50, 60), (0, 10))], Prediction(0, ((0, 9, 0.1),))).moments["full"]
    assert [t for t, share in found.r1.items() if share == 1] == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9]


def test_ten_listed_windows_count_for_average_precision() -> None:
    wrong = tuple((100.0 + i, 101.0 + i, 0.1) for i in range(10))
    last = official([asked(0, (0, 10))], Prediction(0, (*wrong[:9], (0, 10, 0.9)))).moments["full"]
    beyond = official([asked(0, (0, 10))], Prediction(0, (*wrong, (0, 10, 0.9)))).moments["full"]
    assert (last.ap[0.95], beyond.ap[0.5]) == (1, 0)


def test_average_precision_is_a_mean_over_queries_and_the_average_over_tious() -> None:
    annotations = [asked(0, (0, 10), (20, 30)), asked(1, (0, 100))]
    found = official(annotations, Prediction(0, ((40, 50, 0.9), (0, 10, 0.5))), Prediction(1, ((0, 72, 1.0),)))
    full = found.moments["full"]
    assert full.ap[0.5] == pytest.approx((0.5 * 0.5 + 1) / 2)  # of the first query, one of two at rank two
    assert full.ap[0.75] == pytest.approx(0.25 / 2)
    assert full.mean_ap == pytest.approx((0.25 + 0.5) / 2)  # the second is found at five of ten tIoUs


def test_a_range_has_its_true_windows_and_all_predictions() -> None:
    annotations = [asked(0, (0, 10), (20, 31)), asked(1, (0, 30.5)), asked(2, (0, 151))]
    predictions = [Prediction(i, ((20, 31, 0.9), (0, 10, 0.5))) for i in range(3)]
    moments = official(annotations, *predictions).moments
    assert {name: m.queries for name, m in moments.items()} == {"short": 1, "middle": 1, "long": 1, "full": 3}
    assert moments["short"].ap[0.5] == 0.5  # the window of 11 s is a wrong guess here, and ranks first
    assert moments["middle"].ap[0.5] == 1
    assert "short" not in official([asked(0, (0, 30))]).moments


def test_a_query_without_a_prediction_finds_nothing_and_an_absent_one_does_not_count() -> None:
    full = official([asked(0, (0, 10)), asked(1, (0, 10)), asked(2)], Prediction(0, ((0, 10, 1.0),))).moments["full"]
    assert (full.queries, full.r1[0.5], full.ap[0.5]) == (2, 0.5, 0.5)


def test_hit1_needs_one_annotator_and_average_precision_asks_each() -> None:
    ratings = ((4.0, 1.0), (1.0, 3.0), (0.0, 3.0))  # two annotators, three of five clips
    found = official([asked(0, (0, 6), ratings=ratings)], Prediction(0, (), saliency=(0.9, 0.8, 0.1, 0.5, 0.4)))
    assert list(found.highlights) == ["Fair", "Good", "VeryGood"]
    good, best = found.highlights["Good"], found.highlights["VeryGood"]
    assert good.hit1 == 1
    # the first annotator: clip 0, ranked first; the second: clips 1 and 2, ranked second and last
    assert good.mean_ap == pytest.approx((1 + (1 / 2 + 2 / 5) / 2) / 2)
    assert (best.hit1, best.mean_ap) == (1, 0.5)


def test_saliency_beyond_the_video_is_cut_and_missing_saliency_is_zero() -> None:
    ratings = ((0.0,), (4.0,))
    long = Prediction(0, (), saliency=(0.1, 0.9, 0.0, 0.0, 0.0, 5.0))
    found = official([asked(0, (0, 6), ratings=ratings)], long).highlights["VeryGood"]
    assert (found.hit1, found.mean_ap) == (0, 1)  # the highest is clip 5 of five
    short = official([asked(0, (0, 6), ratings=ratings)], Prediction(0, (), saliency=(-0.5,))).highlights["VeryGood"]
    assert short.mean_ap == pytest.approx(1 / 4)  # four clips share the score 0


def test_without_saliency_there_are_no_highlights() -> None:
    assert official([asked(0, (0, 6), ratings=((4.0,),))], Prediction(0, ((0, 6, 1.0),))).highlights == {}


def test_clips_of_one_score_are_retrieved_together() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    true = np.array([False, True, True, False, True])
    assert clip_average_precision(scores, true) == pytest.approx((3 / 5 + 3 / 5) / 2)  # 2/4 rises to 3/5
    assert clip_average_precision(scores, np.zeros(5, np.bool_)) == 0
    assert clip_average_precision(scores, np.ones(5, np.bool_)) == 1


@pytest.mark.timeout(60)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared media are not on this machine")
def test_every_figure_of_the_published_sample_is_equal() -> None:
    annotations = parse_annotations((SHARED / "highlight_val_release.jsonl").read_text().splitlines(), "a")
    predictions = parse_predictions((SHARED / "sample_val_preds.jsonl").read_text().splitlines(), "p")
    published = json.loads((SHARED / "sample_val_preds_metrics_raw.json").read_text())
    assert qvhighlights_document(benchmark(annotations, predictions)) == published
