"""Which event is looked at next, and which falls out."""

from daemon.verification.queue import Case, CaseQueue


def case(name: str, priority: int = 5, at: float = 0.0, camera: str = "door", since: float = 0.0) -> Case:
    return Case(name, camera, priority, int(at), at, since)


def taken(queue: CaseQueue) -> list[str]:
    found = []
    while (one := queue.take(lambda _: True)) is not None:
        found.append(one.event_id)
    return found


def test_priority_comes_first_then_the_freshest() -> None:
    queue = CaseQueue()
    for one in (case("old", at=1), case("new", at=2), case("urgent", priority=9, at=0), case("idle", priority=0, at=3)):
        assert queue.add(one) is None
    assert taken(queue) == ["urgent", "new", "old", "idle"]


def test_the_least_urgent_falls_out_even_if_it_is_the_one_that_came() -> None:
    queue = CaseQueue(most=2)
    queue.add(case("old", at=1))
    queue.add(case("new", at=2))
    fallen = queue.add(case("urgent", priority=9, at=0))
    assert fallen is not None
    assert fallen.event_id == "old"
    idle = case("idle", priority=0, at=9)
    assert queue.add(idle) is idle
    assert taken(queue) == ["urgent", "new"]


def test_a_camera_whose_model_is_busy_holds_up_no_other() -> None:
    queue = CaseQueue()
    queue.add(case("door", priority=9))
    queue.add(case("yard", camera="yard"))
    found = queue.take(lambda camera: camera == "yard")
    assert found is not None
    assert found.event_id == "yard"
    assert queue.take(lambda camera: camera == "yard") is None


def test_what_waited_too_long_waits_no_longer() -> None:
    queue = CaseQueue()
    queue.add(case("late", since=1.0))
    queue.add(case("fresh", since=5.0))
    assert queue.oldest_s(6.0) == 5.0
    assert [one.event_id for one in queue.overdue(5.0)] == ["late"]
    assert taken(queue) == ["fresh"]
    assert queue.oldest_s(9.0) == 0.0
