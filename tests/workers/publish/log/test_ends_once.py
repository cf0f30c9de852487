"""Every live event ends once: whenever the daemon is killed, and whatever a stream that was given up still tells."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.disks import crashes
from tests.support.events import make_live
from tests.support.serving.redis import Server, settings_of
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.publish.redis.sink import RedisSink

Told = tuple[str, int, str, float]  # id, revision, type, end

STORY = (
    (1, 0, "new", 4.0),
    (2, 0, "new", 5.0),
    (1, 1, "update", 14.0),
    (1, 2, "end", 34.0),
    (1, 3, "update", 35.0),  # a transcript came late
    (2, 1, "end", 6.0),
)
WRITER = f"""
    from tests.support.events import make_live
    from tests.support.serving.redis import settings_of
    from workers.publish.redis.sink import RedisSink
    from workers.publish.log.event_log import EventLog

    def write(disk, tell):
        sink = RedisSink(settings_of("redis://127.0.0.1:1/0"), EventLog(disk / "log"))
        for place, (number, revision, kind, end) in enumerate({STORY}):
            sink.publish([make_live(number, type=kind, revision=revision, end=end)])
            tell(str(place))
"""


def told(server: Server, stream: str = "watchword:events") -> list[Told]:
    entries = server.client.xrange(stream)
    return [(v["id"], int(v["revision"]), v["type"], float(v["end"])) for _, v in entries]


def start(settings: RedisSettings, log: Path, end_open: bool) -> None:
    sink = RedisSink(settings, EventLog(log))
    if end_open:
        sink.end_open()
    assert sink.flush(10)
    sink.close()


@pytest.mark.process
def test_killed_at_every_call_an_event_ends_once(start_server: Callable[[], Server], tmp_path: Path) -> None:
    server, interrupted = start_server(), 0
    story = [(make_live(number).id, *rest) for number, *rest in STORY]
    for number, crash in enumerate(crashes(tmp_path / "crashes", WRITER)):
        log, again = crash.disk / "log", crash.disk / "again"
        if log.exists():
            shutil.copytree(log, again)
        start(settings_of(server.url, stream=f"{number}"), log, end_open=True)
        for end_open in (False, True):  # killed again once all that waited was published
            start(settings_of(server.url, stream=f"{number}-again"), again, end_open)
        for stream in (f"{number}", f"{number}-again"):
            found = told(server, stream)
            assert len({entry[:2] for entry in found}) == len(found), crash
            assert {story[int(place)] for place in crash.told} <= set(found), crash
            ends = [entry for entry in found if entry[2] == "end"]
            assert sorted(entry[0] for entry in ends) == sorted({entry[0] for entry in found}), crash
            interrupted += len(set(ends) - set(story))
    assert interrupted  # or else nothing was killed in the middle of an event


def test_a_stream_that_was_given_up_tells_no_more_of_what_its_successor_ended(
    start_server: Callable[[], Server], tmp_path: Path
) -> None:
    server = start_server()
    sink = RedisSink(settings_of(server.url), EventLog(tmp_path))
    sink.publish([make_live(1), make_live(2, camera="yard")])
    (end,) = sink.end_open("door")
    late = [make_live(1, type="update", revision=1, end=9.0), make_live(1, type="end", revision=2, end=9.0)]
    fresh = make_live(3)
    assert [r.duplicate for r in sink.publish([*late, fresh])] == [True, True, False]
    sink.publish([make_live(2, type="end", revision=1, camera="yard")])
    assert [e.id for e in sink.end_open()] == [fresh.id]
    assert sink.flush(5)
    sink.close()
    first, second = make_live(1), make_live(2)
    assert [entry[:3] for entry in told(server)] == [
        (first.id, 0, "new"),
        (second.id, 0, "new"),
        (end.id, 1, "end"),
        (fresh.id, 0, "new"),
        (second.id, 1, "end"),
        (fresh.id, 1, "end"),
    ]
