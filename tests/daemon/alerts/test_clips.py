"""The clip follows the first message once it is there, and nothing waits for it for ever."""

import time
from pathlib import Path

import pytest

from tests.daemon.alerts.conftest import House, SteppedClock, cat, ended
from tests.support.clocks import wait_until
from tests.support.serving.receivers import Receiver
from workers.events.timestamps import iso

MP4 = b"\0\0\0\x18ftypmp42 a clip"
SMALL, FULL = b"\xff\xd8 small", b"\xff\xd8 full"


class Decoding(SteppedClock):
    """A moment in which a full frame is decoded as soon as somebody waits."""

    def __init__(self, file: Path) -> None:
        self.file, self.now, self.slept = file, time.time() + 60.0, 0.0

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.file.write_bytes(FULL)


def test_the_first_message_has_the_full_frame_if_that_comes_soon(house: House, hook: Receiver) -> None:
    file = house.evidence("a.jpg", SMALL)
    clock = Decoding(file)
    house.start({"targets": {"phone": f"ntfy://127.0.0.1:{hook.port}/phone"}, "cooldown": 0}, clock)
    evidence = cat(1).evidence.model_copy(update={"snapshot": str(file)}).model_dump()
    house.happen(cat(1, evidence=evidence, produced_at=iso(clock.wall() - 0.1)))
    hook.wait(1)
    assert hook.got[0].body == FULL
    assert clock.slept == pytest.approx(0.2, abs=0.01)
    house.happen(cat(2, evidence=evidence, produced_at=iso(clock.wall() - 5.0)))  # it has had its time
    hook.wait(2)
    assert clock.slept == pytest.approx(0.2, abs=0.01)


def test_a_second_message_follows_with_the_clip(house: House, hook: Receiver) -> None:
    targets = {
        "hook": {"webhook": f"{hook.url}/hook"},
        "phone": f"ntfy://127.0.0.1:{hook.port}/phone",
        "terse": {"webhook": f"{hook.url}/terse", "clips": False},
    }
    house.start({"targets": targets, "public_url": "https://x.example", "cooldown": 0})
    clip = house.layout.evidence / "door" / "a.mp4"
    event = cat(1, evidence=cat(1).evidence.model_copy(update={"clip": str(clip)}).model_dump())
    house.happen(event)
    house.wait_for("delivered", 3)
    house.happen(ended(event))
    time.sleep(0.5)
    assert len(hook.got) == 3  # the clip is being written
    house.evidence("a.mp4", MP4)
    hook.wait(5)
    (follow,) = [one.json for one in hook.got if one.path == "/hook"][1:]
    assert follow["type"] == "watchword.alert.clip"
    assert follow["data"]["alerts"][0]["event"]["evidence"]["clip"] == str(clip)
    assert follow["data"]["alerts"][0]["links"]["clip"] == f"https://x.example/api/v1/events/{event.id}/clip.mp4"
    assert follow["data"]["attachments"] == []  # programs fetch it
    assert [one.body for one in hook.got if one.path.startswith("/phone")] == [MP4]
    assert len([one for one in hook.got if one.path == "/terse"]) == 1
    assert len(house.rows()) == 3  # a clip is no alert of its own


def test_a_clip_of_what_was_not_alerted_is_not_sent_and_one_that_never_comes_is_given_up(
    house: House, hook: Receiver
) -> None:
    clock = SteppedClock()
    service = house.start({"targets": {"hook": {"webhook": hook.url}}, "cooldown": "1h"}, clock)
    clip = house.evidence("a.mp4", MP4)
    first = cat(1, evidence=cat(1).evidence.model_copy(update={"clip": str(clip.with_name("never.mp4"))}).model_dump())
    second = cat(2, evidence=cat(2).evidence.model_copy(update={"clip": str(clip)}).model_dump())
    house.happen(first)
    house.wait_for("delivered")
    house.happen(second, ended(second), ended(first))
    house.wait_for("suppressed")
    wait_until(lambda: service.snapshot().targets["hook"].waiting == 1)  # type: ignore[union-attr]
    clock.ahead += 100.0
    wait_until(lambda: service.snapshot().targets["hook"].waiting == 0)  # type: ignore[union-attr]
    assert hook.events == [first.id]
