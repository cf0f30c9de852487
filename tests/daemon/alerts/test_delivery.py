"""Alerts arrive: at least once, marked where they may be a second time, and no target waits for another."""

from typing import Any

import pytest

from daemon.alerts.channels.webhook import WebhookChannel
from daemon.alerts.notice import Notice
from daemon.alerts.store.database import NAME
from tests.daemon.alerts.conftest import House, cat, ended
from tests.support.clocks import wait_until
from tests.support.serving.receivers import Receiver, receiver

NOW = {"cooldown": 0}


def hooks(**urls: str) -> dict[str, Any]:
    return {**NOW, "targets": {name: {"webhook": url} for name, url in urls.items()}}


def test_an_event_is_alerted_once_and_its_later_revisions_are_not(house: House, hook: Receiver) -> None:
    house.happen(cat(1))  # before anybody wanted alerts
    house.start(hooks(hook=hook.url))
    event = cat(2)
    house.happen(event, event.model_copy(update={"type": "update", "revision": 1}), ended(event))
    (row,) = house.wait_for("delivered")
    assert (row.event_id, row.camera, row.target, row.attempts) == (event.id, "door", "hook", 1)
    house.happen(cat(3))
    house.wait_for("delivered", 2)
    assert hook.events == [event.id, cat(3).id]
    body = hook.got[0].json
    assert body["type"] == "watchword.alert"
    assert body["data"]["alerts"][0]["event"]["description"] == ["a cat", "一只猫"]
    assert not body["data"]["possible_duplicate"]


def test_what_waits_is_delivered_after_a_restart_and_nothing_twice(house: House, hook: Receiver) -> None:
    house.start(hooks(hook=hook.url))
    house.happen(cat(1))
    hook.wait(1)
    house.wait_for("delivered")
    hook.stop()
    house.happen(cat(2))
    wait_until(lambda: any(row.attempts for row in house.rows(state="pending")))
    assert house.service
    house.service.stop(5.0)
    house.happen(cat(3))  # while nobody reads
    hook.start()
    house.start(hooks(hook=hook.url))
    house.wait_for("delivered", 3)
    assert hook.events == [cat(n).id for n in (1, 2, 3)]
    assert not any(one.json["data"]["possible_duplicate"] for one in hook.got)


def test_a_message_without_an_answer_is_sent_again_and_marked(house: House, hook: Receiver) -> None:
    hook.mode = "lost"
    house.start(hooks(hook=hook.url))
    house.happen(cat(1))
    hook.wait(2)
    hook.mode = "ok"
    (row,) = house.wait_for("delivered")
    first, *others = [(one.headers["webhook-id"], one.json["data"]["possible_duplicate"]) for one in hook.got]
    assert not first[1]
    assert others
    assert all(other == (first[0], True) for other in others)
    assert row.possible_duplicate


@pytest.mark.parametrize("status", ["500", "429", "404", "301"])
def test_a_message_that_was_refused_is_sent_again_unmarked(house: House, hook: Receiver, status: str) -> None:
    hook.mode = status
    house.start(hooks(hook=hook.url))
    house.happen(cat(1), cat(2))
    wait_until(lambda: len(hook.refused) >= 3)
    assert f"status {status}" in house.rows(state="pending")[0].error
    hook.mode = "ok"
    house.wait_for("delivered", 2)
    assert sorted(hook.events) == [cat(1).id, cat(2).id]
    assert not any(one.json["data"]["possible_duplicate"] for one in hook.got)


def test_a_message_that_a_target_does_not_want_holds_back_no_other(house: House, hook: Receiver) -> None:
    house.start(hooks(hook=hook.url))
    hook.mode = "413"
    house.happen(cat(1))
    wait_until(lambda: len(hook.refused) >= 1)
    hook.mode = "ok"
    house.happen(cat(2))
    house.wait_for("delivered", 2)


def test_a_dead_and_a_stalled_target_delay_no_other(house: House, hook: Receiver) -> None:
    with receiver() as stalled:
        stalled.mode = "stall"
        house.start(hooks(dead="http://127.0.0.1:9/x", stalled=stalled.url, hook=hook.url))
        house.happen(*(cat(n) for n in range(20)))
        house.wait_for("delivered", 20, target="hook")
        assert {row.target for row in house.rows(state="pending")} == {"dead", "stalled"}
        assert len(stalled.got) == 1
        snapshot = house.service.snapshot() if house.service else None
        assert snapshot
        assert (snapshot.targets["hook"].delivered, snapshot.targets["hook"].waiting) == (20, 0)
        assert snapshot.targets["dead"].waiting == 20
        assert snapshot.targets["dead"].failures


def test_killed_between_send_and_note_it_is_sent_again_and_marked(house: House, hook: Receiver) -> None:
    hook.mode = "stall"
    service = house.start(hooks(hook=hook.url))
    house.happen(cat(1))
    hook.wait(1)
    copy = house.folder / "killed"  # what a kill leaves on disk at this moment
    copy.mkdir()
    for path in house.layout.alerts.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    hook.stop()
    service.stop(5.0)
    for path in house.layout.alerts.glob(f"{NAME}*"):
        path.unlink()
    for path in copy.iterdir():
        (house.layout.alerts / path.name).write_bytes(path.read_bytes())
    hook.mode = "ok"
    hook.start()
    house.start(hooks(hook=hook.url))
    hook.wait(2)
    assert hook.events == [cat(1).id] * 2
    assert hook.got[1].json["data"]["possible_duplicate"]
    assert hook.got[0].headers["webhook-id"] == hook.got[1].headers["webhook-id"]


def test_the_event_log_keeps_what_is_not_decided(house: House, hook: Receiver) -> None:
    house.start(hooks(hook=hook.url))
    house.happen(cat(1))
    house.wait_for("delivered")
    wait_until(lambda: house.log.waiting("alerts").waiting == 0)
    assert house.service
    house.service.stop(5.0)
    house.happen(cat(2), cat(3))
    assert house.log.waiting("alerts").waiting == 2


def test_alerts_of_a_target_that_is_gone_are_dead_letters(house: House, hook: Receiver) -> None:
    house.start(hooks(old="http://127.0.0.1:9"))
    house.happen(cat(1))
    house.wait_for("pending")
    service = house.start(hooks(hook=hook.url))
    (row,) = house.wait_for("dead")
    assert row.error == "the target was removed from the configuration"
    service.apply(house.config(hooks(hook=hook.url, other=hook.url)))
    house.happen(cat(2))
    house.wait_for("delivered", 2)
    service.apply(house.config(hooks(other="http://127.0.0.1:9")))
    house.happen(cat(3))
    wait_until(lambda: any(row.attempts for row in house.rows(target="other", state="pending")))
    assert len(house.rows(target="hook")) == 1


def test_what_happens_while_there_is_no_target_is_not_alerted_later(house: House, hook: Receiver) -> None:
    service = house.start({})
    house.happen(cat(1))
    wait_until(lambda: house.log.waiting("alerts").waiting == 0)
    assert service.snapshot() is None
    house.start(hooks(hook=hook.url))
    house.happen(cat(2))
    house.wait_for("delivered")
    assert hook.events == [cat(2).id]
    service = house.start({})
    house.happen(cat(3))
    wait_until(lambda: house.log.waiting("alerts").waiting == 0)
    service.apply(house.config(hooks(hook=hook.url)))  # the configuration was changed while the daemon runs
    house.happen(cat(4))
    house.wait_for("delivered", 2)
    assert hook.events[-1] == cat(4).id


def test_a_target_that_is_changed_while_it_receives_gets_no_message_twice(house: House, hook: Receiver) -> None:
    hook.mode = "late"
    service = house.start(hooks(hook=f"{hook.url}/a"))
    house.happen(cat(1))
    hook.wait(1)
    service.apply(house.config(hooks(hook=f"{hook.url}/b")))
    house.happen(cat(2))
    hook.wait(2)
    hook.release()
    house.wait_for("delivered", 2)
    assert [(one.path, one.events) for one in hook.got] == [("/a", [cat(1).id]), ("/b", [cat(2).id])]


def test_a_channel_that_fails_unexpectedly_loses_nothing(
    house: House, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, failures = WebhookChannel.send, iter(range(2))

    def failing(channel: WebhookChannel, notice: Notice) -> None:
        if next(failures, None) is not None:
            raise RuntimeError("a bug")
        send(channel, notice)

    monkeypatch.setattr(WebhookChannel, "send", failing)
    house.start(hooks(hook=hook.url))
    house.happen(cat(1))
    house.wait_for("delivered")
    assert hook.got[0].json["data"]["possible_duplicate"]
