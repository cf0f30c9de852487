"""What is alerted to whom, and what is suppressed: cooldown, quiet hours, mutes, budgets, groups, digests."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from daemon.alerts.channels.factory import watched_pairs
from daemon.alerts.rules import Rules, is_quiet
from daemon.alerts.store.history import AlertQuery
from tests.daemon.alerts.conftest import House, SteppedClock, cat, ended
from tests.support.clocks import wait_until
from tests.support.events import make_live
from tests.support.serving.receivers import Receiver

LONG = {"cooldown": "1h"}


def to(hook: Receiver, **settings: Any) -> dict[str, Any]:
    return {"targets": {"hook": {"webhook": hook.url, **settings}}}


def routes(house: House, alerts: dict[str, Any], camera: str = "door", event: str = "cat", **sections: Any) -> dict:
    return {r.target: r for r in Rules(house.config(alerts, **sections)).routes(camera, event)}


def test_what_is_more_special_counts_more(house: House) -> None:
    alerts = {
        "cooldown": "1s",
        "targets": {"a": {"webhook": "http://a", "cooldown": "2s", "group": "9s"}, "b": {"webhook": "http://b"}},
    }
    assert {name: r.cooldown_s for name, r in routes(house, alerts).items()} == {"a": 2.0, "b": 1.0}
    sections: dict[str, Any] = {"cameras": {"door": {"url": "rtsp://h/d", "alert": {"cooldown": "3s", "to": "a"}}}}
    assert {n: (r.cooldown_s, r.group_s) for n, r in routes(house, alerts, **sections).items()} == {"a": (3.0, 9.0)}
    sections["events"] = {"cat": {"describe": "a cat", "alert": {"cooldown": "4s", "to": ["a", "b"]}}}
    assert {n: r.cooldown_s for n, r in routes(house, alerts, **sections).items()} == {"a": 4.0, "b": 4.0}
    sections["cameras"]["door"]["events"] = {"cat": {"alert": {"to": []}}}
    assert routes(house, alerts, **sections) == {}
    assert routes(house, alerts, camera="uploads", **sections).keys() == {"a", "b"}
    only = {"targets": {"a": {"webhook": "http://a", "events": "dog"}, "b": {"webhook": "http://b", "cameras": "yard"}}}
    assert routes(house, only) == {}
    assert routes(house, only, camera="yard").keys() == {"b"}
    assert routes(house, only, event="dog").keys() == {"a"}
    assert routes(house, {"targets": {"a": {"webhook": "http://a"}}})["a"].cooldown_s == 60.0


def test_an_event_that_is_made_of_others_is_alerted_as_any_other(house: House, hook: Receiver) -> None:
    made = {"when": "door.cat then yard.dog within 60s", "alert": {"cooldown": "4s"}}
    sections: dict[str, Any] = {"events": {"cat": {"describe": "a cat"}, "dog": {"describe": "a dog"}, "chase": made}}
    alerts = to(hook, events=["chase"], cameras=["door"])
    assert {n: r.cooldown_s for n, r in routes(house, alerts, event="chase", **sections).items()} == {"hook": 4.0}
    assert routes(house, alerts, **sections) == {}
    assert watched_pairs(house.config(alerts, **sections), "hook") == [("door", "chase")]
    service = house.start(alerts, **sections)
    part = {"id": "p", "camera": "yard", "event": "dog", "start": 1.5, "end": 2.0, "score": 0.5}
    house.happen(make_live(1, event="chase", parts=[part], cameras=["door", "yard"], modalities={}, score_track=[]))
    (message,) = hook.wait(1)
    (alert,) = message.json["data"]["alerts"]
    assert [part["event"] for part in alert["event"]["parts"]] == ["dog"]
    for seen, count in (({"door", "yard"}, 1), ({"door"}, 0)):  # it tells about both
        assert len(service.history.page(AlertQuery(cameras=frozenset(seen)), 10)) == count


def test_a_cooldown_begins_with_a_delivered_alert_only(house: House, hook: Receiver) -> None:
    hook.stop()
    house.start(to(hook) | LONG)
    house.happen(cat(1), cat(2), cat(3, camera="yard"), cat(4, event="dog"))
    wait_until(lambda: any(row.attempts for row in house.rows()))
    assert {row.state for row in house.rows()} == {"pending"}  # nothing has arrived: nothing is suppressed
    hook.start()
    house.wait_for("delivered", 3)
    assert sorted(hook.events) == sorted([cat(1).id, cat(3).id, cat(4).id])
    house.happen(cat(5))
    house.wait_for("suppressed", 2)
    assert house.reasons() == ["cooldown", "cooldown"]
    snapshot = house.service.snapshot() if house.service else None
    assert snapshot
    assert snapshot.suppressed["cooldown"] == 2
    assert snapshot.suppressed["muted"] == 0


def test_an_event_of_a_dead_letter_starts_no_cooldown(house: House, hook: Receiver) -> None:
    clock = SteppedClock()
    hook.mode = "413"
    house.start(to(hook) | LONG, clock)
    house.happen(cat(1))
    wait_until(lambda: bool(hook.refused))
    clock.ahead = 90_000.0
    house.wait_for("dead")
    clock.ahead = 0.0
    hook.mode = "ok"
    house.happen(cat(2))
    assert house.wait_for("delivered")[0].event_id == cat(2).id


def test_over_budget_is_suppressed_until_a_revision_takes_it_back(house: House, hook: Receiver) -> None:
    house.start(to(hook))
    event = cat(1, over_budget=True)
    house.happen(event)
    house.wait_for("suppressed")
    assert house.reasons() == ["over_budget"]
    house.happen(event.model_copy(update={"type": "update", "revision": 1, "over_budget": False}))
    house.wait_for("delivered")
    assert house.reasons() == []
    house.happen(cat(2, over_budget=True), ended(cat(2, over_budget=True)))
    house.wait_for("suppressed")
    assert hook.events == [cat(1).id]


def test_priorities_and_the_past_are_suppressed(house: House, hook: Receiver) -> None:
    house.start(to(hook, min_priority=6) | {"cooldown": 0})
    house.happen(cat(1, priority=5), cat(2, priority=6))
    house.wait_for("delivered")
    assert house.reasons() == ["priority"]
    assert house.service
    house.service.stop(5.0)
    house.happen(cat(3, priority=9))
    house.start(to(hook) | {"retry_for": 0})
    house.wait_for("suppressed", 2)
    assert house.reasons() == ["priority", "too_late"]


def test_a_mute_lasts_as_long_as_it_says(house: House, hook: Receiver) -> None:
    service = house.start(to(hook) | {"cooldown": 0})
    now = datetime.now().timestamp()
    service.history.mute("door", "cat", now + 3600)
    house.happen(cat(1), cat(2, event="dog"), cat(3, camera="yard"))
    house.wait_for("delivered", 2)
    assert house.reasons() == ["muted"]
    assert service.history.mutes(now) == [("door", "cat", now + 3600)]
    service.history.mute("door", "cat", now - 1)
    service.history.mute("yard", "", now + 3600)
    house.happen(cat(4), cat(5, camera="yard"))
    house.wait_for("delivered", 3)
    assert house.reasons() == ["muted", "muted"]
    assert cat(5, camera="yard").id not in hook.events


@pytest.mark.parametrize(
    ("quiet", "at", "expected"),
    [
        (((1320, 420),), "23:30", True),
        (((1320, 420),), "06:59", True),
        (((1320, 420),), "07:00", False),
        (((540, 600), (720, 780)), "12:30", True),
        (((540, 600), (720, 780)), "11:00", False),
        (((0, 1440),), "00:00", True),
        ((), "12:00", False),
    ],
)
def test_quiet_hours_are_those_of_the_time_zone(quiet: tuple, at: str, expected: bool) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    moment = datetime.fromisoformat(f"2026-07-01T{at}").replace(tzinfo=zone).timestamp()
    assert is_quiet(quiet, moment, zone) is expected


def test_quiet_hours_suppress_and_an_event_can_lift_them(house: House, hook: Receiver) -> None:
    now = datetime.now(ZoneInfo("UTC"))
    quiet = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    events = {"cat": {"describe": "a cat"}, "fire": {"describe": "a fire", "alert": {"quiet": []}}}
    house.start(to(hook, quiet=quiet) | {"time_zone": "UTC"}, events=events)
    house.happen(cat(1), cat(2, event="fire"))
    house.wait_for("delivered")
    assert hook.events == [cat(2).id]
    assert house.reasons() == ["quiet_hours"]


def test_cameras_that_see_the_same_moment_share_a_message(house: House, hook: Receiver) -> None:
    house.start(to(hook, group="700ms") | {"cooldown": 0})
    house.happen(cat(1), cat(2, camera="yard"), cat(3, event="dog"), cat(4))
    house.wait_for("delivered", 4)
    assert sorted(one.events for one in hook.got) == sorted([[cat(1).id, cat(2).id], [cat(3).id], [cat(4).id]])
    assert hook.got[0].json["data"]["title"] == "cat on door, yard"


def test_a_digest_collects(house: House, hook: Receiver) -> None:
    house.start(to(hook, digest="1s"))
    house.happen(*(cat(n) for n in range(25)), cat(30, event="dog", camera="yard"))
    house.wait_for("delivered", 26)
    (one,) = hook.got
    assert one.json["type"] == "watchword.alert.digest"
    assert one.json["data"]["title"] == "26 events"
    assert one.json["data"]["text"].splitlines()[:2] == ["door: 25 × cat", "yard: 1 × dog"]
    assert one.events[-1] == cat(30).id
    house.happen(cat(31))
    hook.wait(2)
    assert hook.got[1].events == [cat(31).id]


def test_a_suppressed_alert_and_a_dead_one_can_be_sent_again(house: House, hook: Receiver) -> None:
    service = house.start(to(hook) | LONG)
    house.happen(cat(1))
    house.wait_for("delivered")
    house.happen(cat(2))
    (row,) = house.wait_for("suppressed")
    service.history.replay(row, datetime.now().timestamp())
    house.wait_for("delivered", 2)
    assert hook.events == [cat(1).id, cat(2).id]
    service.history.replay(house.rows()[0], datetime.now().timestamp())
    hook.wait(3)
    ids = [one.headers["webhook-id"] for one in hook.got]
    assert hook.events[2] == cat(1).id
    assert len(set(ids)) == 3  # a receiver that knows ids must not take it for a repetition
