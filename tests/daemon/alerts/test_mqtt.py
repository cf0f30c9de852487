"""A broker follows events from beginning to end, and Home Assistant finds them: against a real mosquitto."""

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.alerts.store.erasing import AlertEraser
from daemon.alerts.trial import send_test
from tests.daemon.alerts.conftest import House, cat, ended
from tests.support.clocks import wait_until
from tests.support.serving.mqtt import Broker, broker, listening, needs_mosquitto

pytestmark = [needs_mosquitto, pytest.mark.timeout(90)]

STATE, DOOR = "watchword/door/cat/state", "watchword/door/cat"


def to(server: Broker, **settings: Any) -> dict[str, Any]:
    return {"targets": {"home": {"mqtt": server.url, "discovery": "home_assistant", **settings}}}


def test_home_assistant_finds_a_sensor_and_an_image_that_follow_events(house: House, tmp_path: Path) -> None:
    picture = house.evidence("a.jpg", b"\xff\xd8\xff a picture")
    evidence = {**cat(1).evidence.model_dump(), "snapshot": str(picture)}
    with broker(tmp_path / "broker", "me", "pass-word") as server, listening(server) as heard:
        service = house.start(to(server) | {"public_url": "https://x.example", "cooldown": "1h"})
        heard.wait("watchword/status", b"online")
        sensor_at = "homeassistant/binary_sensor/watchword_door_cat/config"
        image_at = "homeassistant/image/watchword_door_cat/config"
        heard.wait("homeassistant/image/watchword_yard_fire/config")
        sensor, image = heard.last(sensor_at), heard.last(image_at)
        assert {topic for topic, *_ in heard.heard if topic.startswith("homeassistant/")} == {
            f"homeassistant/{kind}/watchword_{camera}_{event}/config"
            for kind in ("binary_sensor", "image")
            for camera in ("door", "yard")
            for event in ("cat", "dog", "fire")
        }
        assert sensor["device"] == image["device"]
        assert sensor["device"]["identifiers"] == ["watchword"]
        assert sensor["device"]["configuration_url"] == "https://x.example"
        assert sensor["unique_id"] != image["unique_id"]
        first, second = cat(1, evidence=evidence), cat(2)
        house.happen(first, second)  # within the cooldown: it follows both
        heard.wait(sensor["state_topic"], sensor["payload_on"].encode(), count=2)
        heard.wait("watchword/alerts", count=2)
        assert heard.of(image["image_topic"]) == [picture.read_bytes()]
        assert heard.last(sensor["json_attributes_topic"])["words"] == ["help me"]
        assert heard.last("watchword/alerts")["data"]["alerts"][0]["event"]["id"] == second.id
        house.happen(ended(first))
        wait_until(lambda: len(heard.of(sensor["state_topic"])) == 3)
        assert heard.of(sensor["state_topic"])[-1] == b"ON"  # the other one lasts
        house.happen(ended(second, end_time="2026-01-02T03:04:06Z"))
        heard.wait(sensor["state_topic"], sensor["payload_off"].encode())
        assert heard.last(sensor["json_attributes_topic"])["end"] == "2026-01-02T03:04:06Z"
        assert len(heard.of("watchword/alerts")) == 2
        announced = len(heard.of(sensor_at))
        heard.client.publish("homeassistant/status", b"online")  # it has started again
        heard.wait(sensor_at, count=announced + 1)
        with listening(server) as later:  # what is retained
            later.wait(image["image_topic"], picture.read_bytes())
            later.wait(sensor["state_topic"], b"OFF")
            assert not later.of("watchword/alerts")
        service.stop(5.0)
        heard.wait("watchword/status", b"offline")


def test_a_broker_that_dies_gets_every_event_when_it_is_back(house: House, tmp_path: Path) -> None:
    with broker(tmp_path / "broker") as server:
        house.start(to(server))
        with listening(server) as heard:
            house.happen(cat(1))
            heard.wait(STATE, b"ON")
            house.wait_for("delivered")
        server.kill()
        house.happen(ended(cat(1)), cat(2), ended(cat(2)), cat(3))
        wait_until(lambda: any(row.error for row in house.rows(state="pending")))
        server.start()
        with listening(server) as heard:
            house.wait_for("delivered", 3, timeout_s=60)
            wait_until(lambda: bool(heard.of(STATE)) and heard.of(STATE)[-1] == b"ON")
            ids = [json.loads(one)["data"]["alerts"][0]["event"]["id"] for one in heard.of("watchword/alerts")]
            assert ids == [cat(2).id, cat(3).id]


def test_a_wrong_password_is_said_and_a_test_leaves_no_trace(house: House, tmp_path: Path) -> None:
    with broker(tmp_path / "broker", "me", "pass-word") as server, listening(server) as heard:
        config = house.config(to(server))
        assert send_test(config, "home") is None
        heard.wait("watchword/alerts")
        assert heard.last("watchword/alerts")["type"] == "watchword.test"
        assert {topic for topic, *_ in heard.heard} == {"watchword/alerts"}
        server.password = "wrong-one"
        error = send_test(house.config(to(server)), "home")
        assert error is not None
        assert "does not accept user and password" in str(error)
        assert "wrong-one" not in str(error)


def test_what_is_not_watched_any_more_and_what_was_forgotten_leaves_the_broker(house: House, tmp_path: Path) -> None:
    with broker(tmp_path / "broker") as server, listening(server) as heard:
        house.start(to(server))
        house.happen(cat(1, text="a secret word"))
        house.wait_for("delivered")
        AlertEraser(house.layout.alerts).erase([cat(1).id])
        heard.wait(f"{DOOR}/attributes", b"")
        house.start(to(server), events={"cat": {"describe": "a cat"}})
        for camera in ("door", "yard"):
            for event in ("dog", "fire"):
                for kind in ("binary_sensor", "image"):
                    heard.wait(f"homeassistant/{kind}/watchword_{camera}_{event}/config", b"")
        with listening(server) as later:
            later.wait("homeassistant/image/watchword_yard_cat/config")
            assert not later.of("homeassistant/image/watchword_yard_dog/config")
            assert not any(b"secret word" in payload for _, payload, _ in later.heard)
