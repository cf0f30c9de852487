"""Amended events in a real Redis: each number once, in order, whatever is killed and watched again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.disks import crashes
from tests.support.events import make_event
from tests.support.serving.redis import Server, ids_in, settings_of
from workers.events.event import Event, Verification
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.sink import RedisSink

CONFIRMED = Verification(verdict="confirmed", policy="hold", fallback="alert")
NUMBER = 7
WRITER = """
    from tests.support.serving.redis import settings_of
    from tests.workers.publish.redis.test_amending import CONFIRMED, of_stream
    from workers.publish.log.event_log import EventLog
    from workers.publish.redis.sink import RedisSink

    def write(disk, tell):
        sink = RedisSink(settings_of("redis://127.0.0.1:1/0"), EventLog(disk / "log"))
        for revision in range(2):
            sink.publish([of_stream(revision)])
            tell(str(2 * revision))
            sink.amend(of_stream(0).id, CONFIRMED.model_copy(update={"why": str(revision)}))
            tell(str(2 * revision + 1))
"""


def of_stream(revision: int) -> Event:
    return make_event(NUMBER, type=("new", "update", "end")[min(revision, 2)], revision=revision)


def bodies(server: Server, stream: str = "watchword:events") -> list[Event]:
    return [Event.from_json(fields["body"]) for _, fields in server.client.xrange(stream)]


def test_a_file_that_is_watched_again_is_published_once_and_goes_on_behind_its_verdict(
    server: Server, tmp_path: Path
) -> None:
    def start() -> RedisSink:
        return RedisSink(settings_of(server.url), EventLog(tmp_path / "log"))

    event_id, sink = of_stream(0).id, start()
    sink.publish([of_stream(0)])
    assert sink.amend(event_id, CONFIRMED) is not None
    sink.publish([of_stream(1)])
    assert sink.flush(10)
    sink.close()
    sink = start()  # killed: the file begins anew
    for revision in range(3):
        sink.publish([of_stream(revision)])
    sink.amend(event_id, CONFIRMED.model_copy(update={"why": "At its end."}))
    assert sink.flush(10)
    sink.close()
    assert ids_in(server) == [(event_id, number) for number in range(5)]
    found = bodies(server)
    assert [event.type for event in found] == ["new", "update", "update", "end", "end"]
    assert [event.verification and event.verification.why for event in found] == [None, "", "", "", "At its end."]
    for _, fields in server.client.xrange("watchword:events"):
        assert fields["revision"] == str(json.loads(fields["body"])["revision"])


@pytest.mark.process
def test_killed_at_every_call_no_verdict_is_lost_and_none_is_published_twice(
    start_server: Callable[[], Server], tmp_path: Path
) -> None:
    server, lengths = start_server(), set[int]()

    def publish(settings: RedisSettings, log: Path, again: bool) -> None:
        sink = RedisSink(settings, EventLog(log))
        if again:  # the file is watched again, and who asked for the verdicts asks again
            for revision in range(2):
                sink.publish([of_stream(revision)])
                sink.amend(of_stream(0).id, CONFIRMED.model_copy(update={"why": str(revision)}))
        assert sink.flush(10)
        sink.close()

    for number, crash in enumerate(crashes(tmp_path / "crashes", WRITER)):
        log, settings = crash.disk / "log", settings_of(server.url, stream=f"{number}")
        publish(settings, log, again=False)
        kept = bodies(server, f"{number}")
        assert [event.revision for event in kept] == list(range(len(kept))), crash
        assert len(kept) >= len(crash.told), crash
        lengths.add(len(kept))
        if crash.variant != "killed":
            continue
        copied = shutil.copytree(log, crash.disk / "again")
        publish(settings, copied, again=True)
        found = bodies(server, f"{number}")
        assert found[: len(kept)] == kept, crash
        assert [event.revision for event in found] == list(range(len(found))), crash
        assert found[-1].verification == CONFIRMED.model_copy(update={"why": "1"}), crash
    assert lengths == {0, 1, 2, 3, 4}  # or else nothing was killed between two of them
