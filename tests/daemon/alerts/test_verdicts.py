"""What a verifier says of an event decides whether it is alerted: hold, label, only_confirmed, and their fallbacks."""

import time
from typing import Any

import pytest

from tests.daemon.alerts.conftest import House, cat, ended
from tests.support.serving.receivers import Receiver
from workers.events.event import Event, Verification

AT_ONCE: dict[str, Any] = {"cooldown": 0}


def to(hook: Receiver, **settings: Any) -> dict[str, Any]:
    return {"targets": {"hook": {"webhook": hook.url, **settings}}} | AT_ONCE


def verified(number: int, policy: str = "hold", fallback: str = "alert", **changes: Any) -> Event:
    """An event that waits for its verdict."""
    pending = {"verdict": "pending", "policy": policy, "fallback": fallback}
    return cat(number, verification=pending, **changes)


def judged(event: Event, verdict: str, why: str = "Nobody climbs.") -> Event:
    """The revision that brings a verdict."""
    assert event.verification
    said = {"verdict": verdict, "why": why, "confidence": None if verdict == "unavailable" else 0.9}
    type_ = "update" if event.type == "new" else event.type
    found = Verification(**event.verification.model_dump(exclude_none=True) | said)
    return event.model_copy(update={"revision": event.revision + 1, "type": type_, "verification": found})


@pytest.mark.parametrize(
    ("policy", "fallback", "verdict", "reason"),
    [
        ("hold", "alert", "confirmed", None),
        ("hold", "alert", "unsure", None),
        ("hold", "alert", "rejected", "rejected"),
        ("hold", "alert", "unavailable", None),
        ("hold", "suppress", "unavailable", "unverified"),
        ("only_confirmed", "suppress", "confirmed", None),
        ("only_confirmed", "suppress", "unsure", "not_confirmed"),
        ("only_confirmed", "suppress", "rejected", "rejected"),
        ("only_confirmed", "suppress", "unavailable", "unverified"),
        ("only_confirmed", "alert", "unavailable", None),
    ],
)
def test_an_event_is_held_until_its_verdict_decides(
    house: House, hook: Receiver, policy: str, fallback: str, verdict: str, reason: str | None
) -> None:
    house.start(to(hook))
    event = verified(1, policy, fallback)
    house.happen(event)
    (row,) = house.wait_for("held")
    assert (row.reason, hook.got) == ("verifying", [])
    house.happen(judged(event, verdict))
    (row,) = house.wait_for("suppressed" if reason else "delivered")
    assert row.reason == (reason or "")
    assert hook.events == ([] if reason else [event.id])
    assert house.service
    counts = house.service.snapshot()
    assert counts
    assert {name: n for name, n in counts.suppressed.items() if n} == ({reason: 1} if reason else {})


def test_the_message_brings_the_verdict_as_text_that_commands_nothing(house: House, hook: Receiver) -> None:
    house.start(to(hook))
    event = verified(1)
    house.happen(event, judged(event, "confirmed", "A person\nclimbs @everyone"))
    (message,) = hook.wait(1)
    text = message.json["data"]["text"]
    assert "Second opinion: confirmed (90%). A person climbs @\u200beveryone" in text
    assert message.json["data"]["alerts"][0]["event"]["verification"]["verdict"] == "confirmed"
    house.happen(verified(2), judged(verified(2), "unavailable", "the server did not answer"))
    assert "No second opinion: the server did not answer" in hook.wait(2)[1].json["data"]["text"]


def test_a_second_look_takes_a_rejection_back_and_the_event_has_ended_by_then(house: House, hook: Receiver) -> None:
    house.start(to(hook))
    event = verified(1)
    rejected = judged(event, "rejected")
    last = ended(rejected)
    house.happen(event, rejected)
    house.wait_for("suppressed")
    house.happen(last)
    house.happen(judged(last, "confirmed"))
    house.wait_for("delivered")
    assert hook.events == [event.id]


def test_an_event_that_ends_before_its_verdict_is_alerted_once_with_its_clip_after_it(
    house: House, hook: Receiver
) -> None:
    house.start(to(hook))
    path = house.evidence("one.mp4", b"video")
    event = verified(1)
    last = ended(event, evidence=event.evidence.model_copy(update={"clip": str(path)}))
    house.happen(event, last)
    house.wait_for("held")
    confirmed = judged(last, "confirmed")
    house.happen(confirmed, judged(confirmed, "confirmed"))  # an amendment repeats the end
    assert [one.json["type"] for one in hook.wait(2)] == ["watchword.alert", "watchword.alert.clip"]
    house.happen(verified(2, "label"))
    assert hook.wait(3)[2].events == [cat(2).id]


def test_with_label_the_verdict_follows_the_alert(house: House, hook: Receiver) -> None:
    house.start(to(hook))
    event = verified(1, "label")
    house.happen(event)
    house.wait_for("delivered")
    rejected = judged(event, "rejected")
    house.happen(rejected, ended(rejected))
    message = hook.wait(2)[1].json
    assert (message["type"], message["data"]["title"]) == ("watchword.alert.verdict", "Rejected: cat on door")
    assert "Nobody climbs." in message["data"]["text"]
    house.happen(judged(ended(rejected), "confirmed"))  # it was looked at again
    assert hook.wait(3)[2].json["data"]["title"] == "Confirmed: cat on door"
    other = verified(2, "label")
    house.happen(other, judged(other, "unavailable"), verified(3, "label"))
    assert [one.events for one in hook.wait(5)[3:]] == [[other.id], [cat(3).id]]  # nothing to say of the second


def test_what_held_an_alert_back_before_holds_it_back_still(house: House, hook: Receiver) -> None:
    service = house.start(to(hook) | {"cooldown": "1h"})
    service.history.mute("yard", "", 4e9)
    first, second, muted = verified(1), verified(2), verified(3, camera="yard")
    house.happen(first, second, muted)
    house.wait_for("held", 2)
    house.happen(judged(second, "confirmed"))
    house.wait_for("delivered")
    house.happen(judged(first, "confirmed"), judged(muted, "confirmed"))
    house.wait_for("suppressed", 2)
    assert sorted(house.reasons()) == ["cooldown", "muted"]
    assert hook.events == [second.id]


def test_over_budget_comes_before_the_verdict(house: House, hook: Receiver) -> None:
    house.start(to(hook))
    event = verified(1, over_budget=True)
    house.happen(event)
    house.wait_for("suppressed")
    within = event.model_copy(update={"type": "update", "revision": 1, "over_budget": False})
    house.happen(within)
    house.wait_for("held")
    house.happen(judged(within, "confirmed"))
    house.wait_for("delivered")


def test_a_held_alert_can_be_sent_by_hand(house: House, hook: Receiver) -> None:
    service = house.start(to(hook))
    event = verified(1)
    house.happen(event)
    (row,) = house.wait_for("held")
    service.history.replay(row, time.time())
    house.wait_for("delivered")
    house.happen(judged(event, "confirmed"))
    assert [one.json["type"] for one in hook.wait(2)] == ["watchword.alert", "watchword.alert.verdict"]
