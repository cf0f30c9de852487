"""One epoch: what is seen and what is said become spans, early or late."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from alignment.calibration import Platt, SimilarityCalibration
from alignment.similarity import SimilarityAligner, SimilarityScorer
from alignment.spans import SpanRule
from alignment.types import EventQuery, FeatureWindow, ScoreTrack, SpanChange
from alignment.windowing import ClipWindow
from workers.epoch import Epoch
from workers.tiers import MAX_PUT_OFF
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
    made = Epoch("file/0", Watch(queries, tuple(rule for _ in queries)), aligner, ClipWindow(1.0, 2, 2))
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


class Counting:
    """An aligner that counts how often it scores which events."""

    def __init__(self) -> None:
        self._aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
        self.name, self.lookahead, self.rates = "counting", self._aligner.lookahead, self._aligner.rates
        self.attend, self.scored = self._aligner.attend, Counter[str]()

    def begin(self, queries: Sequence[EventQuery]) -> "SimilarityScorer":
        made, count = self._aligner.begin(queries), self.scored.update

        class Scorer(SimilarityScorer):
            def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
                count(q.event for q in queries)
                return made.score(window, first)

        return Scorer(self._aligner, queries)


PRIORITIES = {"cat": 1, "fire": 9, "dog": 5}
SHOWN = [(20, NO), (30, YES), (10, NO), (12, YES), (70, NO), (3, YES), (25, NO)]  # more than two windows


def watched(behind: bool) -> tuple[list[tuple[int, SpanChange]], Counter[str]]:
    """Return the changes of every hop of a live stream, with the hop's number, and how often each event was scored."""
    aligner, queries = Counting(), tuple(map(seen, PRIORITIES))
    watch = Watch(queries, (SpanRule(update_every_s=1e9),) * 3, priorities=tuple(PRIORITIES.values()))
    e = Epoch("live/0", watch, aligner, ClipWindow(1.0, 2, 2), live=True)
    rows = np.concatenate([np.repeat(row, count, axis=0) for count, row in SHOWN])
    changes = [(n, c) for n, row in enumerate(rows) for c in e.see(np.array([float(n)]), row[None], behind)]
    return changes + [(len(rows), c) for c in e.finish(None)], aligner.scored


def test_a_stream_that_is_behind_decides_its_lesser_events_late_but_as_ever() -> None:
    (calm, _), (late, scored) = watched(behind=False), watched(behind=True)
    hops = sum(count for count, _ in SHOWN)
    assert scored["fire"] == hops + 1
    assert scored["cat"] == scored["dog"] == hops // (MAX_PUT_OFF + 1) + 1
    for event in PRIORITIES:
        before = [(c.type, c.opened, c.span.start, c.span.end) for _, c in calm if c.span.event == event]
        after = [(c.type, c.opened, c.span.start, c.span.end) for _, c in late if c.span.event == event]
        assert len({opened for _, opened, *_ in before}) == 3
        if event == "fire":
            assert after == before
        ends = [[(o, s, e) for kind, o, s, e in told if kind == "end"] for told in (before, after)]
        assert ends[1] == ends[0], "none falsely, none forgotten"
    told = {True: dict[tuple[str, float], int](), False: dict[tuple[str, float], int]()}
    for changes, behind in ((calm, False), (late, True)):
        told[behind] = {(c.span.event, c.opened): n for n, c in changes if c.type == "new"}
    delay = {key: told[True][key] - n for key, n in told[False].items()}
    assert max(delay.values()) <= MAX_PUT_OFF
    assert {n for (event, _), n in delay.items() if event == "fire"} == {0}
    assert max(delay.values()) > 0


def test_a_stream_that_is_not_behind_and_a_file_decide_all_at_every_hop() -> None:
    _, scored = watched(behind=False)
    assert len({*scored.values()}) == 1


def test_key_frames_that_wait_for_the_encoder_are_all_decided_on() -> None:
    """Sound goes on for 20 s without them; then they come a second apart, where clips of sound lie four apart."""
    aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
    e = Epoch("live/0", Watch((seen("thing"),), (SpanRule(),)), aligner, ClipWindow(4.0, 2, 2, reach_s=5.0), live=True)
    e.start_at(0.0)
    changes = e.see(*frames(10, NO))
    for t in range(10, 30):
        changes += e.hear(t + 1.0, t + 1.0, None, video=True)
    for t in range(10, 40):
        changes += e.see(*frames(1, YES if 14 <= t < 18 else NO, first=t))
    changes += e.finish(None)
    assert e.late == 0
    assert list(last_words(changes).values()) == [("end", pytest.approx(13.5, abs=0.5), pytest.approx(17.5, abs=0.5))]


def test_frames_that_come_after_their_clips_have_left_are_counted() -> None:
    e = epoch(seen("thing"))
    e.see(*frames(3, NO))
    e.hear(200.0, 200.0, None, video=True)
    assert e.see(*frames(10, YES, first=100)) == []
    assert e.late == 10
    e.see(*frames(5, YES, first=190))
    assert e.late == 10
