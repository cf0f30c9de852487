"""One epoch: what is seen and what is said become spans, early or late."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner, SimilarityScorer
from alignment.calibration import Platt, SimilarityCalibration
from alignment.spans.tracker import SpanRule
from alignment.types import EventQuery, FeatureWindow, ScoreTrack, SpanChange
from alignment.windows import ClipWindow
from workers.decisions.rules import RuleSet
from workers.decisions.segment import MAX_DEFERRED, Segment
from workers.items import ZoneAnswer
from workers.types import Utterance

CURVE = Platt(scale=20.0, midpoint=0.5)
YES, NO = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
NONE = np.zeros((0, 2), np.float32)


def spoken(name: str) -> EventQuery:
    return EventQuery(name, NONE, NONE, YES, NONE, np.zeros(3, np.float32), np.array([0, 1, 0], np.float32))


def seen(name: str) -> EventQuery:
    return EventQuery(name, YES, NONE, NONE, NONE, np.zeros(3, np.float32), np.array([1, 0, 0], np.float32))


def segment(*queries: EventQuery) -> Segment:
    aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
    rule = SpanRule(min_duration_s=0.3)
    made = Segment("file/0", RuleSet(queries, tuple(rule for _ in queries)), aligner, ClipWindow(1.0, 2, 2))
    made.start_at(0.0)
    return made


def said(start: float, end: float) -> tuple[Utterance, ...]:
    return (Utterance(start, end, "words", 0.9, "en"),)


def last_words(changes: list[SpanChange]) -> dict[tuple[str, float], tuple[str, float, float]]:
    return {(c.span.event, c.opened): (c.type, c.span.start, c.span.end) for c in changes}


def frames(count: int, row: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(first, first + count, dtype=np.float64), np.repeat(row, count, axis=0)


def test_speech_that_outlasts_the_pictures_keeps_its_end() -> None:
    e = segment(spoken("talk"))
    changes = e.add_frames(*frames(10, NO))
    changes += e.add_audio(12.5, 12.5, None, video=True)
    changes += e.add_utterances(said(8.2, 12.4), YES)
    changes += e.finish(10.0)
    (word,) = last_words(changes).values()
    assert word == ("end", pytest.approx(8.2), pytest.approx(12.4))


def test_a_transcript_that_comes_late_still_counts() -> None:
    e = segment(spoken("talk"), seen("thing"))
    changes = e.add_frames(*frames(30, NO))
    assert changes == []
    changes = e.add_utterances(said(5.0, 8.0), YES)
    assert [(c.span.event, c.type) for c in changes] == [("talk", "new"), ("talk", "end")]
    assert changes[0].span.start == pytest.approx(5.0)


def test_a_span_stays_open_while_words_are_being_transcribed() -> None:
    e = segment(spoken("talk"))
    e.add_frames(*frames(12, NO))
    e.add_audio(12.0, 4.0, None, video=True)
    opened = e.add_utterances(said(0.5, 3.5), YES)
    assert [c.type for c in opened] == ["new"]
    e.add_audio(12.0, 12.0, None, video=True)
    closed = e.add_frames(*frames(2, NO, first=12))
    assert [c.type for c in closed] == ["end"]


def test_without_pictures_sound_makes_the_clips() -> None:
    e = segment(spoken("talk"))
    e.add_audio(6.0, 0.0, None, video=False)
    changes = e.add_utterances(said(1.0, 4.0), YES)
    changes += e.add_audio(10.0, 10.0, None, video=False)
    changes += e.finish(10.0)
    (word,) = last_words(changes).values()
    assert word == ("end", pytest.approx(1.0), pytest.approx(4.0))


def test_the_latest_scores_are_there_for_the_metrics() -> None:
    e = segment(seen("thing"))
    e.add_frames(*frames(5, YES))
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
    watch = RuleSet(queries, (SpanRule(update_every_s=1e9),) * 3, priorities=tuple(PRIORITIES.values()))
    e = Segment("live/0", watch, aligner, ClipWindow(1.0, 2, 2), live=True)
    rows = np.concatenate([np.repeat(row, count, axis=0) for count, row in SHOWN])
    changes = [
        (n, c) for n, row in enumerate(rows) for c in e.add_frames(np.array([float(n)]), row[None], behind=behind)
    ]
    return changes + [(len(rows), c) for c in e.finish(None)], aligner.scored


def test_a_stream_that_is_behind_decides_its_lesser_events_late_but_as_ever() -> None:
    (calm, _), (late, scored) = watched(behind=False), watched(behind=True)
    hops = sum(count for count, _ in SHOWN)
    assert scored["fire"] == hops + 1
    assert scored["cat"] == scored["dog"] == hops // (MAX_DEFERRED + 1) + 1
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
    assert max(delay.values()) <= MAX_DEFERRED
    assert {n for (event, _), n in delay.items() if event == "fire"} == {0}
    assert max(delay.values()) > 0


def test_a_stream_that_is_not_behind_and_a_file_decide_all_at_every_hop() -> None:
    _, scored = watched(behind=False)
    assert len({*scored.values()}) == 1


def test_key_frames_that_wait_for_the_encoder_are_all_decided_on() -> None:
    """Sound goes on for 20 s without them; then they come a second apart, where clips of sound lie four apart."""
    aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
    e = Segment(
        "live/0", RuleSet((seen("thing"),), (SpanRule(),)), aligner, ClipWindow(4.0, 2, 2, reach_s=5.0), live=True
    )
    e.start_at(0.0)
    changes = e.add_frames(*frames(10, NO))
    for t in range(10, 30):
        changes += e.add_audio(t + 1.0, t + 1.0, None, video=True)
    for t in range(10, 40):
        changes += e.add_frames(*frames(1, YES if 14 <= t < 18 else NO, first=t))
    changes += e.finish(None)
    assert e.late == 0
    assert list(last_words(changes).values()) == [("end", pytest.approx(13.5, abs=0.5), pytest.approx(17.5, abs=0.5))]


def test_frames_that_come_after_their_clips_have_left_are_counted() -> None:
    e = segment(seen("thing"))
    e.add_frames(*frames(3, NO))
    e.add_audio(200.0, 200.0, None, video=True)
    assert e.add_frames(*frames(10, YES, first=100)) == []
    assert e.late == 10
    e.add_frames(*frames(5, YES, first=190))
    assert e.late == 10


LEFT, RIGHT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)),), (((0.5, 0.0), (1.0, 0.0), (1.0, 1.0)),)


def test_each_event_is_decided_by_what_its_zone_shows() -> None:
    names = ("everywhere", "left", "right", "too")
    rules, areas = (SpanRule(min_duration_s=0.3),) * 4, ((), LEFT, RIGHT, LEFT)
    watch = RuleSet(tuple(map(seen, names)), rules, areas=areas)
    assert (watch.zones, [watch.zone_of(i) for i in range(4)]) == ((LEFT, RIGHT), [0, 1, 2, 1])
    aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
    zone_windows = [ClipWindow(1.0, 2, 2) for _ in watch.zones]
    e = Segment("file/0", watch, aligner, ClipWindow(1.0, 2, 2), zone_windows=zone_windows)
    changes = []
    for t in range(30):
        rows = [np.where(show, YES, NO) for show in (5 <= t < 25, 5 <= t < 10, 15 <= t < 25)]
        whole, *zones = (ZoneAnswer(row, None, areas) for row, areas in zip(rows, ((), LEFT, RIGHT), strict=True))
        changes += e.add_frames(np.array([float(t)]), whole.features, zones=zones)
    (right,) = [c.span for c in changes if c.span.event == "right" and c.type == "new"]
    assert (e.frames_of(right) == YES).all(axis=1).mean() > 0.5
    changes += e.finish(None)
    ends = {c.span.event: (c.span.start, c.span.end) for c in changes if c.type == "end"}
    assert ends == {
        name: (pytest.approx(start, abs=1), pytest.approx(end, abs=1))
        for name, start, end in (("everywhere", 5, 25), ("left", 5, 10), ("right", 15, 25), ("too", 5, 10))
    }
    assert set(e.scores) == set(names)


def test_words_are_heard_for_events_of_every_zone() -> None:
    watch = RuleSet((spoken("talk"), spoken("here")), (SpanRule(min_duration_s=0.3),) * 2, areas=((), LEFT))
    aligner = SimilarityAligner(SimilarityCalibration(CURVE, CURVE, CURVE))
    e = Segment("file/0", watch, aligner, ClipWindow(1.0, 2, 2), zone_windows=[ClipWindow(1.0, 2, 2)])
    e.start_at(0.0)
    changes = e.add_audio(12.5, 12.5, None, video=False) + e.add_utterances(said(8.2, 12.4), YES) + e.finish(14.0)
    ends = {c.span.event: (c.span.start, c.span.end) for c in changes if c.type == "end"}
    assert ends["talk"] == ends["here"] == (pytest.approx(8.2), pytest.approx(12.4))


def test_the_most_important_events_of_every_zone_are_never_late() -> None:
    aligner, queries = Counting(), tuple(map(seen, ("fire", "smoke", "dog")))
    watch = RuleSet(queries, (SpanRule(),) * 3, priorities=(9, 9, 5), areas=(LEFT, (), LEFT))
    e = Segment("live/0", watch, aligner, ClipWindow(1.0, 2, 2), live=True, zone_windows=[ClipWindow(1.0, 2, 2)])
    for t in range(12):
        e.add_frames(np.array([float(t)]), NO, behind=True, zones=[ZoneAnswer(NO, None, LEFT)])
    assert aligner.scored == Counter({"fire": 12, "smoke": 12})
