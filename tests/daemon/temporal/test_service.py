"""Rules over time of live cameras: what is published of events in the log, and what a restart does not repeat."""

from typing import Any

import pytest

from daemon.temporal.service import TemporalService
from tests.daemon.temporal.conftest import NOW, House
from tests.support.events import validate_body
from workers.errors import EventLogFull
from workers.events.erasures import Erasures, Scope
from workers.events.event import Caption, Event

THEN = "person then dog within 60s"


def types(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.type, event.revision) for event in events]


def test_one_event_with_its_parts_as_evidence(house: House) -> None:
    service = house.start(bark=THEN)
    person = house.happen("gate.person", 0, 10, score=0.9)
    house.settle(service)
    assert house.found() == []
    evidence: dict[str, Any] = {"snapshot": "/state/evidence/gate/x.jpg", "clip": None, "top_frames": [], "words": []}
    dog = house.begin("gate.dog", 40, score=0.7, evidence=evidence)
    house.settle(service)
    (event,) = house.found()
    assert (event.type, event.revision, event.camera, event.event) == ("new", 0, "gate", "bark")
    assert (event.start, event.end, event.score, event.live) == (0, 41, 0.7, True)
    assert [(p.id, p.camera, p.event, p.score) for p in event.parts] == [
        (person, "gate", "person", 0.9),
        (dog, "gate", "dog", 0.7),
    ]
    assert event.cameras == ("gate",)
    assert event.description == ("person, then dog that begins at most 1 min after it has ended",)
    assert event.evidence.snapshot == "/state/evidence/gate/x.jpg"
    assert [word.text for word in event.evidence.words] == ["help me"]
    house.end(dog, 50)
    house.settle(service)
    assert types(house.found()) == [("new", 0), ("end", 1)]
    assert service.counts == {("bark", "new"): 1, ("bark", "end"): 1}
    assert house.found()[-1].end == 50
    for record in house.view.all():
        validate_body(record.event.to_document())


def test_each_camera_is_for_itself_unless_cameras_are_named(house: House) -> None:
    service = house.start(same=THEN, across="gate.person then yard.dog within 60s")
    house.happen("gate.person", 0, 10)
    house.happen("yard.dog", 30, 40)
    house.settle(service)
    assert {(e.camera, e.event, e.cameras) for e in house.found()} == {("gate", "across", ("gate", "yard"))}


def test_absence_is_found_only_of_time_that_was_watched(house: House) -> None:
    service = house.start(quiet="gate.person then no yard.dog for 60s")
    house.watch(5)
    house.happen("gate.person", 0, 10)
    house.watch(200, cameras=["gate"])  # the other camera is down: nobody knows
    house.settle(service)
    house.watch(260, since=100, cameras=["yard"])  # and comes back
    house.settle(service)
    assert house.found() == []
    house.watch(300)
    house.watch(300, since=100, cameras=["yard"])
    house.happen("gate.person", 200, 210)
    house.settle(service)
    assert [(e.type, e.start, e.end) for e in house.found()] == [("new", 200, 270), ("end", 200, 270)]


def test_absence_waits_for_the_slowest_camera(house: House) -> None:
    service = house.start(quiet="gate.person then no yard.dog for 60s")
    house.happen("gate.person", 0, 10)
    house.watch(100, cameras=["gate"])
    house.watch(65, cameras=["yard"])
    house.settle(service)
    house.happen("yard.dog", 66, 70)  # it comes late, as from a camera with a delay of half a minute
    house.watch(120)
    house.settle(service)
    assert house.found() == []


def test_a_killed_daemon_publishes_nothing_twice_and_loses_nothing(house: House) -> None:
    service = house.start(bark=THEN)
    house.happen("gate.person", 0, 10)
    house.happen("gate.dog", 30, 40)
    house.settle(service)  # published, and not acknowledged yet
    house.happen("yard.person", 50, 55)
    before = house.found()
    again = house.start(bark=THEN)  # after kill -9
    assert house.found() == before
    house.happen("yard.dog", 70, 75)
    again = house.start(bark=THEN)  # killed before it saw that
    house.settle(again)
    assert [(e.camera, e.type, e.revision) for e in house.found()] == [
        ("gate", "new", 0),
        ("gate", "end", 1),
        ("yard", "new", 0),
        ("yard", "end", 1),
    ]


def test_what_was_published_in_part_is_continued(house: House) -> None:
    def publish(events: Any) -> Any:
        house.publish(events[:1])
        raise RuntimeError("killed")

    service = house.start(publish, bark=THEN)
    house.happen("gate.person", 0, 10)
    house.happen("gate.dog", 30, 40)
    with pytest.raises(RuntimeError):
        house.settle(service)
    assert types(house.found()) == [("new", 0)]
    house.start(bark=THEN)
    assert types(house.found()) == [("new", 0), ("end", 1)]


def test_a_full_log_delays_and_loses_nothing(house: House) -> None:
    full = True

    def publish(events: Any) -> Any:
        if full:
            raise EventLogFull("full")
        return house.publish(events)

    service = house.start(publish, bark=THEN)
    house.happen("gate.person", 0, 10)
    house.happen("gate.dog", 30, 40)
    for _ in range(3):
        with pytest.raises(EventLogFull):
            service.step()
    full = False
    house.settle(service)
    assert types(house.found()) == [("new", 0), ("end", 1)]


def test_a_new_rule_finds_nothing_in_the_past(house: House) -> None:
    service = house.start(bark=THEN)
    house.happen("gate.person", 0, 10)
    house.happen("gate.dog", 30, 40)
    house.settle(service)
    house.clock.now += 10
    house.settle(service)  # acknowledged
    again = house.start(bark="person then dog within 90s")  # another definition: another rule
    house.settle(again)
    assert types(house.found()) == [("new", 0), ("end", 1)]
    house.happen("gate.dog", 95, 97)
    house.settle(again)
    assert len(house.found()) == 2
    house.happen("gate.person", 200, 210)
    house.happen("gate.dog", 220, 230)
    house.settle(again)
    assert len(house.found()) == 4


def test_rules_change_while_it_runs(house: House) -> None:
    service = house.start(bark=THEN, long="gate.person for at least 5s")
    house.begin("gate.person", 0, 20)
    house.settle(service)
    assert types(house.found("long")) == [("new", 0)]
    service.apply(house.config(bark=THEN))
    house.settle(service)
    assert types(house.found("long")) == [("new", 0), ("end", 1)]
    house.happen("gate.dog", 30, 40)
    house.settle(service)
    assert types(house.found("bark")) == [("new", 0), ("end", 1)]  # it goes on with what it knew


def test_what_goes_on_ends_with_the_daemon(house: House) -> None:
    service = house.start(long="gate.person for at least 5s")
    house.begin("gate.person", 0, 20)
    service.start()
    service.stop(5.0)
    assert types(house.found()) == [("new", 0), ("end", 1)]


def test_more_than_was_published_is_known_of_what_goes_on(house: House) -> None:
    service = house.start(long="gate.person for at least 30s")
    house.begin("gate.person", 0, 1)
    house.watch(40)
    house.settle(service)
    assert house.found() == []
    for key, known in house.watched.items():
        if key == ("gate", "person"):
            house.watched[key] = type(known)(known.since, known.until, NOW + 31)
    house.settle(service)
    assert [(e.type, e.end) for e in house.found()] == [("new", 31)]


def test_a_part_over_its_budget_makes_the_event_over_budget(house: House) -> None:
    service = house.start(bark=THEN)
    house.happen("gate.person", 0, 10, over_budget=True)
    house.happen("gate.dog", 30, 40)
    house.settle(service)
    assert {e.over_budget for e in house.found()} == {True}


def test_what_was_forgotten_is_in_no_event(house: House) -> None:
    service = house.start(across="gate.person then yard.dog within 60s")
    house.layout.privacy.mkdir(parents=True)
    Erasures(house.layout.erasures).add(Scope("yard", NOW + 20, NOW + 50), ())
    house.happen("gate.person", 0, 10)
    house.happen("yard.dog", 30, 40)
    house.settle(service)
    assert house.found() == []


def test_without_rules_the_log_is_not_followed(house: House) -> None:
    service = house.start()
    house.happen("gate.person", 0, 10)
    assert not service.step()
    service.apply(house.config(bark=THEN))
    house.happen("gate.dog", 30, 40)
    house.settle(service)
    assert house.found() == []  # the rule is younger than what happened
    assert isinstance(service, TemporalService)


def test_verdicts_and_captions_change_nothing_and_are_counted_in_no_number(house: House) -> None:
    caption = Caption(text="A person.", language="en", model="m", prompt="1")
    rules = {
        "bark": THEN,
        "often": "count person at least 2 per 60s",
        "quiet": "no person for 100s",
        "alone": "person then no dog for 60s",
        "both": "person and dog",
        "long": "person for at least 9s",
    }

    def publish(events: Any) -> Any:
        return house.log.append(events)

    service = house.start(publish, **rules)
    person = house.happen("gate.person", 0, 10)
    house.log.amend(person, caption=caption)
    dog = house.begin("gate.dog", 30)
    house.settle(service)
    (begun,) = house.found("bark")
    house.log.amend(begun.id, caption=caption)
    house.log.amend(dog, caption=caption)
    house.settle(service)
    house.end(dog, 40)
    house.watch(4000)
    house.settle(service)
    before = house.found()
    house.log.amend(person, caption=caption.model_copy(update={"text": "Long after all is settled."}))
    house.settle(service)
    house.settle(house.start(publish, **rules))
    assert house.found() == before
    assert [(e.type, e.revision) for e in house.found("bark")] == [("new", 0), ("update", 1), ("end", 2)]
    assert [e.caption for e in house.found("bark")] == [None, caption, caption]
    assert house.found("often") == []
