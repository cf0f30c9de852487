"""Curves over the threshold, trust in probabilities, and ranked lists of moments: hand-made cases."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.evaluation.annotations import Annotation, Prediction
from alignment.evaluation.curves import decision_curve
from alignment.evaluation.metrics import evaluate, figures, grouped, judge
from alignment.evaluation.per_query import Outcome, outcome
from alignment.evaluation.ranking import rank
from alignment.evaluation.reliability import Tracked, trust_in_events, trust_in_seconds
from alignment.evaluation.report import ranking_document, trust_document
from alignment.search.retrieval import Moment


def asked(qid: int, *windows: tuple[float, float], duration: float = 100.0, kind: str = "object") -> Annotation:
    return Annotation(qid, f"query {qid}", "v", duration, windows, kind=kind)


def made() -> list[Outcome]:
    """Two true windows: one found surely, one with doubt; a sure false alert, and one that touches the truth."""
    return [
        outcome(asked(0, (0, 10), (50, 60)), [(0, 10, 0.9), (50, 60, 0.6), (8, 40, 0.6)]),
        outcome(asked(1), [(20, 30, 0.8)]),
    ]


def test_the_curve_tells_of_every_threshold() -> None:
    curve = decision_curve(made())
    assert curve is not None
    np.testing.assert_allclose(curve.threshold, [0.9, 0.8, 0.6])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 4])
    np.testing.assert_allclose(curve.recall, [1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(curve.f1, [2 / 3, 2 / 4, 4 / 6])
    np.testing.assert_allclose(curve.false_alerts_per_hour, [0, 18, 36])  # 200 s in all


def test_there_is_no_curve_where_nothing_was_true_or_decided() -> None:
    assert decision_curve(made()[1:]) is None
    assert decision_curve([outcome(asked(0, (0, 1)), [])]) is None


times = st.floats(0, 60).map(lambda x: round(x, 1))
spans = st.tuples(times, st.floats(0.1, 20)).map(lambda x: (x[0], x[0] + x[1]))
scored = st.tuples(spans, st.sampled_from([0.5, 0.6, 0.7, 0.9])).map(lambda x: (*x[0], x[1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(spans, max_size=3), st.lists(scored, max_size=5)), min_size=1, max_size=4))
def test_the_curve_is_what_evaluation_says_of_fewer_events(drawn: list[tuple[list[Any], list[Any]]]) -> None:
    annotations = [asked(i, *truths) for i, (truths, _) in enumerate(drawn)]
    curve = decision_curve(judge(annotations, [Prediction(i, tuple(w)) for i, (_, w) in enumerate(drawn)]))
    if curve is None:
        return
    for i, threshold in enumerate(curve.threshold):
        fewer = [Prediction(q, tuple(w for w in ws if w[2] >= threshold)) for q, (_, ws) in enumerate(drawn)]
        f = evaluate(annotations, fewer).overall
        assert (curve.precision[i], curve.recall[i], curve.f1[i]) == pytest.approx(
            (f.events[0.3].precision, f.events[0.3].recall, f.events[0.3].f1)
        )
        assert curve.false_alerts_per_hour[i] == pytest.approx(f.events[0.3].false_alerts_per_query_hour)


def test_outcomes_are_grouped_by_label() -> None:
    annotations = [asked(0, (0, 1), kind="b"), asked(1, kind="a"), asked(2, kind="b")]
    groups = grouped(judge(annotations, []), "{0.kind}")
    assert {k: [o.annotation.qid for o in v] for k, v in groups.items()} == {"a": [1], "b": [0, 2]}
    assert list(groups) == ["a", "b"]
    assert figures(groups["b"]).queries == 2


def test_event_scores_are_held_against_what_was_right() -> None:
    trust = trust_in_events(made())
    assert trust.predictions == 4
    # 0.9 right; 0.8 wrong; of the two 0.6, one right
    assert trust.ece == pytest.approx((abs(0.9 - 1) + abs(0.8 - 0) + 2 * abs(0.6 - 0.5)) / 4)
    assert [b.count for b in trust.table] == [2, 1, 1]
    nothing = trust_in_events([])
    assert (nothing.predictions, nothing.ece, nothing.table) == (0, None, ())
    assert trust_document(nothing) == {"n": 0, "ece": None, "bins": []}


def test_every_second_is_held_against_the_truth() -> None:
    bounds = np.array([[0.0, 2.0], [2.0, 4.0], [5.0, 6.0]])
    p = np.array([0.1, 1.0, np.nan], np.float32)
    trust = trust_in_seconds([Tracked(bounds, p, 7.0, ((1.0, 4.5),))])
    # seconds: 0.1 0.1 1 1 - nan -; true in seconds 1, 2, 3 and at 4.5, where no clip is
    assert trust.predictions == 7
    rows = {b.low: (b.count, b.frequency) for b in trust.table}
    assert rows == {0.0: (3, pytest.approx(1 / 3)), 0.1: (2, 0.5), 0.9: (2, 1.0)}
    assert trust.ece == pytest.approx((3 * (1 / 3) + 2 * 0.4 + 0) / 7)
    assert trust_document(trust)["bins"][1] == {"low": 0.1, "high": 0.2, "n": 2, "confidence": 0.1, "frequency": 0.5}


def test_a_score_beyond_one_counts_as_sure() -> None:
    assert trust_in_events([outcome(asked(0, (0, 10)), [(0, 10, 7.0)])]).ece == 0


def test_ranked_moments() -> None:
    def moments(*windows: tuple[float, float]) -> list[Moment]:
        return [Moment("v", *w, 1 - i / 10) for i, w in enumerate(windows)]

    found = rank(
        [
            (asked(0, (0, 10), (50, 60)), moments((20, 30), (0, 10), (1, 10), (50, 60))),  # the third finds none anew
            (asked(1, (5, 6)), moments((5, 6))),
            (asked(2, (5, 6)), ()),
        ]
    )
    one, five, ten = (found.at[k] for k in (1, 5, 10))
    assert (one.precision, one.recall, one.hit) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert (five.precision, five.recall, five.hit) == pytest.approx(((2 / 5 + 1 / 5) / 3, 2 / 3, 2 / 3))
    assert five.f1 == pytest.approx((2 * 2 / (5 + 2) + 2 * 1 / (5 + 1)) / 3)
    assert (ten.precision, ten.recall) == pytest.approx((0.1, 2 / 3))
    assert found.mean_ap == pytest.approx((1 / 2 + 1) / 3)  # hits at ranks 2 and 4: precision 1/2 at both recalls
    document = ranking_document(found)
    assert document["n_queries"] == 3
    assert (document["R5@0.5"], document["precision@5"], document["mAP"]) == (0.6667, 0.2, 0.5)
