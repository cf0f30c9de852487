"""What people are told of an overload: once when it begins, once when it is over."""

import pytest
from structlog.testing import capture_logs

from daemon.observability.snapshot import CameraStatus
from daemon.service.overload import QUIET_S, OverloadWatch
from tests.support.clocks import FakeClock
from workers.decisions.snapshot import StreamSnapshot
from workers.types import SourceSnapshot


def stream(camera: str, lost: int = 0, speech: int = 0, **other: int) -> CameraStatus:
    source = SourceSnapshot(dropped={"overload": lost, **other})
    return CameraStatus(StreamSnapshot(camera, source=source), speech_dropped=speech)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_camera_is_overloaded_from_its_first_loss_until_half_a_minute_without(clock: FakeClock) -> None:
    watch = OverloadWatch(clock)
    assert watch.look([stream("door"), stream("yard")]) == frozenset()
    for lost in (3, 7, 8):
        clock.sleep(1.0)
        assert watch.look([stream("door"), stream("yard", lost)]) == {"yard"}
    clock.sleep(QUIET_S - 0.1)
    assert watch.look([stream("door"), stream("yard", 8)]) == {"yard"}
    clock.sleep(0.1)
    assert watch.look([stream("door"), stream("yard", 8)]) == frozenset()


def test_it_is_told_once_again_for_further_cameras_and_at_the_end(clock: FakeClock) -> None:
    watch = OverloadWatch(clock)
    with capture_logs() as lines:
        for lost in range(1, 20):
            watch.look([stream("door"), stream("yard", lost)])
        for lost in range(1, 20):
            watch.look([stream("door", lost), stream("yard", 20)])
        clock.sleep(QUIET_S)
        for _ in range(3):
            watch.look([stream("door", 19), stream("yard", 20)])
    assert [(x["log_level"], x["cameras"]) for x in lines] == [
        ("warning", ["yard"]),
        ("warning", ["door", "yard"]),
        ("info", ["door", "yard"]),
    ]
    assert "fps" in lines[0]["hint"]


def test_speech_counts_and_a_camera_that_is_started_again_counts_from_nothing(clock: FakeClock) -> None:
    watch = OverloadWatch(clock)
    assert watch.look([stream("door", speech=2), stream("yard", 9)]) == {"door", "yard"}
    clock.sleep(QUIET_S)
    assert watch.look([stream("door", speech=2), stream("yard", 0)]) == frozenset()
    assert watch.look([stream("door", speech=2), stream("yard", 1)]) == {"yard"}


def test_other_losses_are_no_overload(clock: FakeClock) -> None:
    lost = stream("door", corrupt=5, encoder_failed=3, buffer_full=4)
    assert OverloadWatch(clock).look([lost]) == frozenset()
