"""Since when each event of a stream is known: gaps of less than a stall count as watched, others do not."""

from typing import Any

import numpy as np
import pytest

from alignment.types import EventQuery
from workers.decisions.coverage import Coverage
from workers.decisions.rules import RuleSet
from workers.types import SourceInfo

NONE = np.zeros((0, 2), np.float32)


def rule_set(**priors: tuple[float, float, float]) -> RuleSet:
    """The parts of what is seen, said and heard in each event."""
    sound = np.zeros(521, np.float32)
    queries = (
        EventQuery(name, NONE, NONE, NONE, NONE, sound, np.array(prior, np.float32)) for name, prior in priors.items()
    )
    return RuleSet(tuple(queries), ())


def coverage(video: bool = True, audio: bool = True, **priors: Any) -> Coverage:
    info = SourceInfo("k", True, has_video=video, has_audio=audio)
    return Coverage(info, 15.0, rule_set(**priors or {"seen": (1, 0, 0), "heard": (0, 0, 1), "both": (0.5, 0.5, 0)}))


def since(known: Coverage) -> dict[str, float]:
    known.publish({event: (99.0, float("-inf")) for event in ("seen", "heard", "both")})
    return {event: watched.since for event, watched in known.watched.items()}


def test_a_gap_shorter_than_a_stall_counts_as_watched_and_a_longer_one_does_not() -> None:
    known = coverage()
    known.add_frames([10.0, 11.0, 26.0])
    known.add_audio(9.0, 26.0)
    assert since(known) == {"seen": 10.0, "heard": 9.0, "both": 10.0}
    known.add_frames([41.5, 42.0])
    assert since(known) == {"seen": 41.5, "heard": 9.0, "both": 41.5}
    known.add_audio(50.0, 51.0)
    assert since(known) == {"seen": 41.5, "heard": 50.0, "both": 50.0}


def test_a_stream_without_sound_is_known_by_its_frames() -> None:
    known = coverage(audio=False)
    known.add_frames([10.0])
    assert since(known) == {"seen": 10.0, "heard": float("inf"), "both": 10.0}


def test_events_that_are_new_are_known_from_then_on() -> None:
    known = coverage()
    known.add_frames([10.0, 20.0])
    known.add_audio(10.0, 20.0)
    known.change(rule_set(seen=(1, 0, 0), both=(0.5, 0.5, 0)), frozenset({"seen"}))
    assert since(known) == {"seen": 10.0, "heard": float("inf"), "both": 20.0}
    known.change(rule_set(seen=(1, 0, 0), both=(0.5, 0.5, 0)), frozenset({"seen", "both"}))
    assert since(known)["both"] == 20.0


@pytest.mark.parametrize("video", [True, False])
def test_nothing_is_known_before_the_first_frame(video: bool) -> None:
    known = coverage(video=video)
    assert since(known)["seen"] == float("inf")
