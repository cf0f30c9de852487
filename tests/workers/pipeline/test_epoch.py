"""One epoch: what is seen and what is said become spans, early or late."""

import numpy as np
import pytest

from alignment.calibration import Platt, SimilarityCalibration
from alignment.similarity import SimilarityAligner
from alignment.spans import SpanRule
from alignment.types import EventQuery, SpanChange
from workers.epoch import Epoch
from workers.types import Utterance
from workers.watch import Watch

CURVE = Platt(scale=20.0, midpoint=0.5)
YES, NO = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
NONE = np.zeros((0, 2), np.float32)


def spoken(name: str) -> EventQuery:
    return EventQuery(name, NONE, NONE, YES, NONE, np.zeros(3, np.float32), np.array([0, 1, 0], np.float32))


def seen(name: str) -> EventQuery:
    return EventQuery(name, YES, NONE, NONE, NONE, np.zeros(3, np.float32), np.array([1, 0, 0], np.float32))


def epoch(*queries: EventQuery) -> Epoch:
    aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
    rule = SpanRule(min_duration_s=0.3)
    made = Epoch("file/0", Watch(queries, tuple(rule for _ in queries)), aligner, 1.0, (2, 2))
    made.start_at(0.0)
    return made


def said(start: float, end: float) -> tuple[Utterance, ...]:
    return (Utterance(start, end, "words", 0.9, "en"),)


def last_words(changes: list[SpanChange]) -> dict[tuple[str, float], tuple[str, float, float]]:
    return {(c.span.event, c.opened): (c.type, c.span.start, c.span.end) for c in changes}


def frames(count: int, row: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(first, first + count, dtype=np.float64), np.repeat(row, count, axis=0)


def test_speech_that_outlasts_the_pictures_keeps_its_end() -> None:
    e = epoch(spoken("talk"))
    changes = e.see(*frames(10, NO))
    changes += e.hear(12.5, 12.5, None, video=True)
    changes += e.listen(said(8.2, 12.4), YES)
    changes += e.finish(10.0)
    (word,) = last_words(changes).values()
    assert word == ("end", pytest.approx(8.2), pytest.approx(12.4))


def test_a_transcript_that_comes_late_still_counts() -> None:
    e = epoch(spoken("talk"), seen("thing"))
    changes = e.see(*frames(30, NO))
    assert changes == []
    changes = e.listen(said(5.0, 8.0), YES)
    assert [(c.span.event, c.type) for c in changes] == [("talk", "new"), ("talk", "end")]
    assert changes[0].span.start == pytest.approx(5.0)


def test_a_span_stays_open_while_words_are_being_transcribed() -> None:
    e = epoch(spoken("talk"))
    e.see(*frames(12, NO))
    e.hear(12.0, 4.0, None, video=True)
    opened = e.listen(said(0.5, 3.5), YES)
    assert [c.type for c in opened] == ["new"]
    e.hear(12.0, 12.0, None, video=True)
    closed = e.see(*frames(2, NO, first=12))
    assert [c.type for c in closed] == ["end"]


def test_without_pictures_sound_makes_the_clips() -> None:
    e = epoch(spoken("talk"))
    e.hear(6.0, 0.0, None, video=False)
    changes = e.listen(said(1.0, 4.0), YES)
    changes += e.hear(10.0, 10.0, None, video=False)
    changes += e.finish(10.0)
    (word,) = last_words(changes).values()
    assert word == ("end", pytest.approx(1.0), pytest.approx(4.0))


def test_the_latest_scores_are_there_for_the_metrics() -> None:
    e = epoch(seen("thing"))
    e.see(*frames(5, YES))
    assert e.scores["thing"] > 0.9
