"""A disk that is really full: a small file system of its own, where the tests may mount one."""

import os
from pathlib import Path

import pytest

from tests.support.disks import fill
from tests.support.events import make_event, make_live
from tests.support.serving.redis import BINARIES, Server, ids_in, settings_of
from workers.errors import EventLogError, EventLogFull
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.publish.redis.sink import RedisSink


def test_what_was_acknowledged_is_published_and_the_rest_refused_until_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "server").mkdir()
    server = Server(BINARIES["valkey"] or "", tmp_path / "server")
    sink = RedisSink(settings_of(server.url), EventLog(small_disk / "log"), backoff_s=(0.01, 0.1))
    taken: list[int] = []
    refusals: list[str] = []
    sink.publish([make_live(0)])
    ballast = fill(small_disk)
    for number in range(1, 40):
        try:
            sink.publish([make_live(number)])
            taken.append(number)
        except EventLogFull as error:
            refusals.append(str(error))
    assert all("No space left" in text for text in refusals)
    assert refusals
    assert not sink.snapshot().spool_accepts
    files = {p.name for p in (small_disk / "log").iterdir()}
    assert files == {"lock", "log.db", "log.db-wal", "log.db-shm"}, "every refusal left a file behind"
    server.start()  # what waits can be published from a full disk, though not even the cursor can be written
    assert sink.flush(5)
    assert ids_in(server) == [(make_event(n).id, 0) for n in (0, *taken)]
    ballast.unlink()
    sink.publish([make_live(99)])
    assert sink.snapshot().spool_accepts
    assert sink.flush(5)
    assert ids_in(server)[-1] == (make_event(99).id, 0)
    sink.close()
    server.kill()


def test_a_daemon_can_start_on_a_full_disk_and_publish_what_waits(small_disk: Path, tmp_path: Path) -> None:
    log = EventLog(small_disk / "log")
    log.append([make_event(n) for n in range(5)])
    log.close()
    ballast = fill(small_disk)
    (tmp_path / "server").mkdir()
    server = Server(BINARIES["valkey"] or "", tmp_path / "server").start()
    sink = RedisSink(settings_of(server.url), EventLog(small_disk / "log"), backoff_s=(0.01, 0.1))
    assert sink.flush(5)
    assert ids_in(server) == [(make_event(n).id, 0) for n in range(5)]
    with pytest.raises(EventLogFull, match="No space left"):
        sink.publish([make_event(5)])
    ballast.unlink()
    sink.publish([make_event(5)])
    assert sink.flush(5)
    assert ids_in(server) == [(make_event(n).id, 0) for n in range(6)]
    assert LogView(small_disk / "log").revisions(make_event(5).id), "other processes can read it again"
    sink.close()
    server.kill()


def test_a_first_start_on_a_full_disk_waits_for_room(small_disk: Path) -> None:
    folder = small_disk / "log"
    folder.mkdir()
    (folder / "lock").touch()
    ballast = fill(small_disk)
    log = EventLog(folder)
    reader = log.reader("redis")
    with pytest.raises(EventLogFull, match="No space left"):
        log.append([make_event(1)])
    assert reader.next(9) == []
    ballast.unlink()
    log.append([make_event(2)])
    assert [r.event for r in reader.next(9)] == [make_event(2)]
    log.close()


def test_a_disk_that_may_not_be_written_is_another_error(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = EventLog(folder)
    folder.rename(tmp_path / "elsewhere")  # as when a mount goes away
    with pytest.raises(EventLogError, match=os.strerror(2)) as caught:
        log.append([make_event(1)])
    assert not isinstance(caught.value, EventLogFull)
    (tmp_path / "elsewhere").rename(folder)
    log.append([make_event(2)])
    assert [r.event for r in log.reader("redis").next(9)] == [make_event(2)]
    log.close()
