"""A disk that is really full: a small file system of its own, where the tests may mount one."""

import os
from pathlib import Path

import pytest
from publish_kit import BINARIES, Server, fill, ids_in, make_event, make_live, settings_of, wait_until

from workers.errors import SpoolError
from workers.publish.redis_stream import RedisSink
from workers.publish.spool import Spool, SpoolFull


def test_what_was_acknowledged_is_published_and_the_rest_refused_until_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "server").mkdir()
    server = Server(BINARIES["valkey"] or "", tmp_path / "server")
    sink = RedisSink(settings_of(server.url), Spool(small_disk / "spool"), backoff_s=(0.01, 0.1))
    taken: list[int] = []
    refusals: list[str] = []
    sink.publish([make_live(0)])
    ballast = fill(small_disk)
    for number in range(1, 40):
        try:
            sink.publish([make_live(number)])
            taken.append(number)
        except SpoolFull as error:
            refusals.append(str(error))
    assert all("No space left" in text for text in refusals)
    assert refusals
    assert not sink.snapshot().spool_accepts
    segments = len(list((small_disk / "spool").glob("*.seg")))
    assert segments <= 2, "every refusal left a file behind"
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
    spool = Spool(small_disk / "spool")
    spool.append([make_event(n) for n in range(5)])
    spool.close()
    fill(small_disk)
    (tmp_path / "server").mkdir()
    server = Server(BINARIES["valkey"] or "", tmp_path / "server").start()
    sink = RedisSink(settings_of(server.url), Spool(small_disk / "spool"), backoff_s=(0.01, 0.1))
    assert sink.flush(5)
    assert ids_in(server) == [(make_event(n).id, 0) for n in range(5)]
    wait_until(lambda: not list((small_disk / "spool").glob("*.seg")))
    sink.close()
    server.kill()


def test_a_disk_that_may_not_be_written_is_another_error(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = Spool(folder)
    folder.rename(tmp_path / "elsewhere")  # as when a mount goes away
    with pytest.raises(SpoolError, match=os.strerror(2)) as caught:
        spool.append([make_event(1)])
    assert not isinstance(caught.value, SpoolFull)
