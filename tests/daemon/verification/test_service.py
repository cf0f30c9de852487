"""Looks at events: when they are made, what is asked, and what the event says afterwards."""

import threading
import time

from daemon.verification.question import PROMPT
from daemon.vlm.factory import clients_of
from tests.daemon.verification.conftest import CONFIRMED, REJECTED, House, ended, number_of
from tests.support.clocks import wait_until
from tests.support.serving.vlm_server import Asked, Request, VlmServer, says, slow, vlm_server
from workers.events.event import Verification


def test_a_verdict_becomes_a_revision_of_the_event(house: House, model: VlmServer) -> None:
    service = house.start(language="de")
    event = house.event(1, text="give me the cat")
    house.happen(event)
    said = house.judged(event)
    assert (said.verdict, said.confidence, said.why, said.doubt) == (
        "confirmed",
        0.9,
        CONFIRMED["why"],
        "An empty mat.",
    )
    assert (said.model, said.prompt, said.policy, said.fallback) == ("tiny", PROMPT, "hold", "alert")
    assert said.latency_s is not None
    assert [record.event.type for record in house.revisions(event)] == ["new", "update"]
    (asked,) = model.asked
    assert asked.data == {"description": ["a cat", "一只猫"], "camera": "door", "heard": ["give me the cat"]}
    assert "in the language de." in asked.system
    assert "give me the cat" not in asked.system
    wait_until(lambda: service.snapshot().waiting == 0)
    counts = service.snapshot()
    assert (counts.verdicts, counts.failures, counts.latency.count) == ({"confirmed": 1}, {}, 1)


def test_a_model_judges_more_than_the_first_stage_looks_for(house: House, model: VlmServer) -> None:
    house.start()
    pending = Verification(verdict="pending", policy="hold", fallback="alert", description=("a cat jumps",))
    event = house.event(1).model_copy(update={"verification": pending})
    house.happen(event)
    assert house.judged(event).description == ("a cat jumps",)
    assert model.asked[0].data["description"] == ["a cat jumps"]


def test_what_is_confirmed_is_not_looked_at_again_and_what_is_not_is_at_its_end(house: House, model: VlmServer) -> None:
    model.usual = says(lambda asked: CONFIRMED if number_of(asked) == 1 else REJECTED)
    house.start()
    events = [house.event(n, description=[f"cat {n}"]) for n in (1, 2)]
    house.happen(*events)
    for event in events:
        house.judged(event)
    house.happen(*map(ended, events))
    said = house.judged(events[1], look="end")
    assert (said.verdict, [number_of(asked) for asked in model.asked].count(2)) == ("rejected", 2)
    assert [record.event.type for record in house.revisions(events[1])] == ["new", "update", "end", "end"]
    assert house.verdict(events[0]).look == "opening"
    assert [number_of(asked) for asked in model.asked].count(1) == 1


def test_an_event_that_ends_during_its_first_look_is_looked_at_again_at_once(house: House, model: VlmServer) -> None:
    model.script = [slow(0.4, says(REJECTED))]
    house.start()
    event = house.event(1)
    house.happen(event)
    model.wait(1)
    house.happen(ended(event))
    assert house.judged(event, look="end").verdict == "confirmed"
    assert len(model.asked) == 2


def test_an_event_that_has_ended_before_its_look_is_looked_at_once(house: House, model: VlmServer) -> None:
    house.start()
    event = house.event(1)
    house.happen(event, ended(event))
    assert house.judged(event, look="end").verdict == "confirmed"
    assert len(model.asked) == 1


def test_events_without_verify_are_left_alone_and_those_over_budget_cost_no_call(
    house: House, model: VlmServer
) -> None:
    service = house.start()
    plain = house.event(1).model_copy(update={"verification": None})
    many = house.event(2, over_budget=True)
    house.happen(plain, many)
    time.sleep(0.3)
    assert house.verdict(many).verdict == "pending"
    house.happen(ended(many))
    said = house.judged(many, look="end")
    assert (said.verdict, "over its budget" in said.why) == ("unavailable", True)
    assert (model.asked, len(house.revisions(plain))) == ([], 1)
    assert service.snapshot().failures == {"over_budget": 1}
    taken_back = house.event(3, over_budget=True)
    house.happen(taken_back, taken_back.model_copy(update={"type": "update", "revision": 1, "over_budget": False}))
    assert house.judged(taken_back).verdict == "confirmed"


def test_each_camera_has_its_own_model_or_none(house: House, model: VlmServer) -> None:
    with vlm_server(REJECTED) as other:
        own = {"url": other.url, "model": "large"}
        house.start(cameras={"yard": {"verifier": own}, "bath": {"verifier": "none"}})
        door, yard, bath = (house.event(n, camera) for n, camera in enumerate(("door", "yard", "bath")))
        house.happen(door, yard, bath)
        assert [house.judged(event).verdict for event in (door, yard, bath)] == ["confirmed", "rejected", "unavailable"]
        assert house.verdict(yard).model == "large"
        assert "no model is configured" in house.verdict(bath).why
        assert [[asked.data["camera"] for asked in one.asked] for one in (model, other)] == [["door"], ["yard"]]


def test_a_slow_model_delays_no_other_and_is_asked_two_things_at_once(house: House, model: VlmServer) -> None:
    released = threading.Event()

    def late(request: Request, asked: Asked) -> None:
        released.wait(10)
        says(CONFIRMED)(request, asked)

    model.usual = late
    with vlm_server(CONFIRMED) as other:
        house.start(cameras={"yard": {"verifier": {"url": other.url, "model": "large"}}}, timeout=20)
        slow_ones, quick = [house.event(n) for n in range(4)], house.event(9, "yard")
        house.happen(*slow_ones)
        model.wait(2)
        house.happen(quick)
        house.judged(quick)
        assert len(model.asked) == 2
        released.set()
        for event in slow_ones:
            house.judged(event)


def test_urgent_events_come_first_then_the_freshest(house: House, model: VlmServer) -> None:
    model.usual = slow(0.2, says(CONFIRMED))
    house.start()
    house.happen(house.event(1), house.event(2))
    model.wait(2)
    later = [house.event(n, description=[f"cat {n}"], priority=p) for n, p in ((3, 9), (4, 5), (5, 5))]
    for event in later:
        house.happen(event)
    for event in later:
        house.judged(event)
    order = [number_of(asked) for asked in model.asked[2:]]
    assert (set(order[:2]), order[2]) == ({3, 5}, 4)


def test_other_settings_are_used_from_the_next_look_on(house: House, model: VlmServer) -> None:
    service = house.start()
    house.happen(first := house.event(1))
    house.judged(first)
    config = house.config(model="other")
    service.apply(config, clients_of(config))
    house.happen(second := house.event(2))
    assert house.judged(second).model == "other"


def test_an_event_that_is_forgotten_meanwhile_is_not_brought_back(house: House, model: VlmServer) -> None:
    def forget(asked: Asked) -> dict:
        house.log.erase(frozenset({event.id}))
        return CONFIRMED

    model.usual = says(forget)
    service = house.start()
    event = house.event(1)
    house.happen(event)
    wait_until(lambda: len(model.asked) == 1 and service.snapshot().waiting == 0)
    assert house.view.revisions(event.id) == []
    assert service.snapshot().verdicts == {}
