"""Who is served first, who gives way, and that nobody who may not give way starves."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.clocks import FakeClock
from workers.redaction import RedactedUrl
from workers.services.scheduler import LATE_S, PATIENCE_S, RequestContext, RequestScheduler, request_context
from workers.types import CameraSpec, EventSpec

FILE = RequestContext("file", (9, 9))


def live(camera: str, priority: int = 5, event: int = 5) -> RequestContext:
    return RequestContext(camera, (priority, event), live=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> RequestScheduler[str]:
    return RequestScheduler(clock)


def served(queue: RequestScheduler[str], times: int = 100) -> list[str]:
    """Serve so many, or all."""
    order: list[Any] = []
    while len(order) < times and (request := queue.next()) is not None:
        queue.serve(request)
        order.append(request.item)
    return order


def test_cameras_go_by_priority_then_by_their_most_important_event_then_by_arrival(
    queue: RequestScheduler[str],
) -> None:
    for camera, priority, event in (("a", 5, 5), ("b", 5, 5), ("door", 9, 0), ("fire", 5, 8), ("yard", 1, 10)):
        queue.put(camera, live(camera, priority, event), may_drop=True)
    assert served(queue) == ["door", "fire", "a", "b", "yard"]


def test_files_come_after_all_that_is_live(queue: RequestScheduler[str]) -> None:
    queue.put("file", FILE, may_drop=False)
    queue.put("live", live("least", 0, 0), may_drop=True)
    assert served(queue) == ["live", "file"]


def test_equal_cameras_take_turns_whoever_asks_more_often(queue: RequestScheduler[str]) -> None:
    queue.put("patient", live("patient"), may_drop=True)
    order = []
    for _ in range(4):
        queue.put("greedy", live("greedy"), may_drop=True)
        queue.put("greedy", live("greedy"), may_drop=True)
        order += served(queue, 1)
        queue.put(order[-1], live(order[-1]), may_drop=True)
    assert order == ["patient", "greedy", "patient", "greedy"]


def test_what_may_not_be_dropped_gets_a_turn_once_a_second_and_no_more(
    queue: RequestScheduler[str], clock: FakeClock
) -> None:
    for _ in range(20):
        queue.put("file", FILE, may_drop=False)
        queue.put("text", live("least", 0), may_drop=False)
    order = []
    for _ in range(40):  # a frame of the most important camera takes a tenth of the time and is always there
        queue.put("frame", live("door", 9), may_drop=True)
        order += served(queue, 1)
        clock.sleep(PATIENCE_S / 10)
    assert [i for i, who in enumerate(order) if who != "frame"] == [10, 20, 30]
    assert [who for who in order if who != "frame"] == ["file", "text", "file"], "in turn, whatever the priority"


def test_the_least_important_are_shed_once_they_are_late(queue: RequestScheduler[str], clock: FakeClock) -> None:
    queue.put("yard", live("yard", 1), may_drop=True)
    queue.put("file", FILE, may_drop=False)
    clock.sleep(10 * LATE_S)
    assert queue.shed() == [], "nobody was taken before them, the service stood still"
    for _ in range(9):
        clock.sleep(LATE_S / 10)
        assert queue.shed() == []
    queue.put("fresh", live("yard", 1), may_drop=True)
    clock.sleep(LATE_S / 10)
    assert queue.shed() == ["yard"]
    clock.sleep(LATE_S)
    assert queue.shed() == ["fresh"]
    clock.sleep(100 * LATE_S)
    assert queue.shed() == [], "a file never is"
    assert served(queue) == ["file"]


def test_the_rest_of_a_request_goes_on_waiting_behind_its_equals(queue: RequestScheduler[str]) -> None:
    queue.put("long", live("a"), may_drop=False)
    queue.put("short", live("b"), may_drop=False)
    first = queue.next()
    assert first is not None
    queue.serve(first, done=False)
    assert served(queue) == ["short", "long"]


@pytest.mark.parametrize(("url", "is_live"), [("rtsp://door/1", True), ("/videos/door.mp4", False)])
def test_a_cameras_turn_is_by_its_priority_and_that_of_its_most_important_event(url: str, is_live: bool) -> None:
    camera = CameraSpec("door", RedactedUrl(url), priority=3)
    events = (EventSpec("cat", ("a cat",), priority=2), EventSpec("fire", ("fire",), priority=10))
    assert request_context(camera, events) == RequestContext("door", (3, 10), is_live)


def test_no_camera_is_late_before_its_next_frame_is_due() -> None:
    slow = CameraSpec("slow", RedactedUrl("rtsp://slow/1"), fps=0.1)
    assert request_context(slow, ()).late_s == 10
    assert request_context(replace(slow, fps="keyframes"), ()).late_s == 4
    assert request_context(replace(slow, fps=25), ()).late_s == LATE_S
