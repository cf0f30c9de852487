"""What can be judged, and what cannot: gaps, other models, what nobody looked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.types import Counted, ObjectQuery
from daemon.backtest.parts import Coverage
from daemon.backtest.types import Period, Reason, TriedRule, Unjudged
from tests.daemon.backtest.deciding.test_skipping import CARS, ENCODER, START, TAPE, query
from tests.support.recorded.shards import write_stream
from workers.index.reader import IndexReader
from workers.index.types import TapeInfo
from workers.items import FrameAnswer
from workers.types import EventSpec, Zone

SPEC = EventSpec("event", ("event",))
GATE = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)),)
PERIOD = Period(START, START + 100)


def frames(since: int, until: int) -> list[FrameAnswer]:
    nothing = np.full((1, 1, 8), -np.inf, np.float32)
    return [FrameAnswer(0, np.array([START + n]), np.ones((1, 32), np.float32), nothing) for n in range(since, until)]


def unjudged(
    folder: Path, rule: TriedRule, period: Period = PERIOD
) -> tuple[list[int], list[tuple[float, float, Reason]]]:
    """Return how many items are judged of each part, and what cannot be judged, in seconds from ``START``."""
    coverage = Coverage(rule, period)
    shards = IndexReader(folder).shards(["cam"], period.since, period.until)
    judged = [part.end - part.armed for part in coverage.parts(shards, live=True)]
    return judged, [(gap.start - START, gap.end - START, gap.reason) for gap in coverage.unjudged]


def rule(spec: EventSpec = SPEC, *objects: ObjectQuery, sound: float = 0.0) -> TriedRule:
    return TriedRule("cam", spec, query(*objects, sound=sound), ENCODER)


def test_time_without_frames_was_not_recorded(tmp_path: Path) -> None:
    write_stream(tmp_path, TAPE, [*frames(10, 40), *frames(60, 90)], each=20)
    judged, gaps = unjudged(tmp_path, rule(), Period(START - 5, START + 110))
    assert sum(judged) == 60
    gap = Reason.NOT_RECORDED
    assert gaps == [(-5, 10, gap), (39, 60, gap), (89, 110, gap)]


def test_a_period_begins_and_ends_within_shards(tmp_path: Path) -> None:
    write_stream(tmp_path, TAPE, frames(0, 100), each=30)
    judged, gaps = unjudged(tmp_path, rule(), Period(START + 40, START + 70))
    assert (sum(judged), gaps) == (30, [])


def test_a_camera_of_which_nothing_is_stored_was_not_recorded(tmp_path: Path) -> None:
    assert unjudged(tmp_path, rule()) == ([], [(0, 100, Reason.NOT_RECORDED)])


@pytest.mark.parametrize(
    ("tape", "tried", "reason"),
    [
        (replace(TAPE, encoder="lite/y@1"), rule(), Reason.ENCODER),
        (replace(TAPE, detects=False), rule(SPEC, ObjectQuery((CARS,))), Reason.OBJECTS),
        (replace(TAPE, detects=False), rule(), None),
        (replace(TAPE, tags=False), rule(sound=1.0), Reason.SOUNDS),
        (replace(TAPE, tags=False, has_audio=False), rule(sound=1.0), None),
        (TAPE, rule(replace(SPEC, zones=(Zone("gate", GATE[0]),))), Reason.ZONE),
        (replace(TAPE, zones=(GATE,)), rule(replace(SPEC, zones=(Zone("gate", GATE[0]),))), None),
        (TAPE, rule(replace(SPEC, zones=(Zone("gate", GATE[0]),)), ObjectQuery((Counted((3,)),))), None),
    ],
)
def test_what_nobody_looked_for_cannot_be_judged(
    tmp_path: Path, tape: TapeInfo, tried: TriedRule, reason: Reason | None
) -> None:
    write_stream(tmp_path, replace(tape, zones=()), frames(0, 50))
    write_stream(tmp_path, replace(tape, key="another"), frames(50, 100)) if not tape.zones else None
    coverage = Coverage(tried, PERIOD)
    shards = list(IndexReader(tmp_path).shards(["cam"], PERIOD.since, PERIOD.until))
    if tape.zones:
        shards = [replace(shard, info=replace(shard.info, tape=tape)) for shard in shards]
    judged = list(coverage.parts(shards, live=False))
    if reason is None:
        assert (bool(judged), coverage.unjudged) == (True, [])
    else:
        assert not judged
        assert coverage.unjudged == [Unjudged("cam", START, START + 99, reason)]
