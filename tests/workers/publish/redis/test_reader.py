import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.events import make_event
from tests.support.serving.redis import BINARIES, Server, settings_of
from workers.errors import PublishError
from workers.publish.redis.client import connect
from workers.publish.redis.reader import PAGE, EventFilter, EventReader
from workers.publish.redis.sink import EventScript


@pytest.fixture
def valkey(start_server: Callable[..., Server]) -> Server:
    return start_server(BINARIES["valkey"])


@pytest.fixture
def script(valkey: Server) -> EventScript:
    settings = settings_of(valkey.url)
    return EventScript(connect(settings), settings)


@pytest.fixture
def reader(valkey: Server) -> Iterator[EventReader]:
    found = EventReader(settings_of(valkey.url))
    yield found
    found.close()


def test_the_latest_revision_of_each_oldest_event_first(script: EventScript, reader: EventReader) -> None:
    script.add([make_event(1), make_event(2), make_event(1, revision=1, type="end", end=9.0), make_event(3)])
    found = [(e.event.id, e.event.revision) for e in reader.latest(EventFilter(), 10)]
    assert found == [(make_event(2).id, 0), (make_event(1).id, 1), (make_event(3).id, 0)]
    assert [e.event.id for e in reader.latest(EventFilter(), 2)] == [make_event(1).id, make_event(3).id]
    assert [e.event.revision for e in reader.revisions(EventFilter(), 3)] == [0, 1, 0]
    assert reader.latest(EventFilter(), 10)[1].event == make_event(1, revision=1, type="end", end=9.0)


def test_more_than_a_page(script: EventScript, reader: EventReader) -> None:
    events = [make_event(n) for n in range(PAGE * 2 + 10)]
    script.add(events)
    assert [e.event.id for e in reader.latest(EventFilter(), 10_000)] == [e.id for e in events]


def test_camera_event_and_time(valkey: Server, script: EventScript, reader: EventReader) -> None:
    script.add([make_event(1), make_event(2, camera="yard"), make_event(3, event="dog")])
    assert [e.event.camera for e in reader.latest(EventFilter(camera="yard"), 9)] == ["yard"]
    assert [e.event.event for e in reader.latest(EventFilter(event="dog"), 9)] == ["dog"]
    published = reader.latest(EventFilter(), 9)[0].published_s
    assert len(reader.latest(EventFilter(since=published - 1, until=published + 1), 9)) == 3
    assert reader.latest(EventFilter(since=published + 10), 9) == []
    assert reader.latest(EventFilter(until=published - 10), 9) == []


def test_what_others_wrote_is_passed_over(valkey: Server, script: EventScript, reader: EventReader) -> None:
    stream = "watchword:events"
    script.add([make_event(1)])
    valkey.client.xadd(stream, {"hello": "world"})
    whole = valkey.client.xrange(stream)[0][1]
    valkey.client.xadd(stream, whole | {"body": "{no json"})
    valkey.client.xadd(stream, whole | {"body": "[]"})
    valkey.client.xadd(stream, whole | {"start": "soon"})
    script.add([make_event(2)])
    assert [e.event.id for e in reader.latest(EventFilter(), 9)] == [make_event(1).id, make_event(2).id]


def test_find_by_id_and_prefix(script: EventScript, reader: EventReader) -> None:
    script.add([make_event(0x10), make_event(0x11), make_event(0x10, revision=1), make_event(0x20)])
    assert [e.event.revision for e in reader.find(make_event(0x10).id)] == [1]
    assert [e.event.id for e in reader.find("002")] == [make_event(0x20).id]
    assert {e.event.id for e in reader.find("001")} == {make_event(0x10).id, make_event(0x11).id}
    assert reader.find("ff") == []


def test_tail_from_now_and_from_the_start(script: EventScript, reader: EventReader) -> None:
    script.add([make_event(1)])
    new = reader.tail(EventFilter(camera="door"), block_ms=20)
    assert next(new) is None
    script.add([make_event(2, camera="yard"), make_event(3)])
    found = next(e for e in new if e)
    assert found.event == make_event(3)
    old = [e for e in itertools.islice(reader.tail(EventFilter(), "0", block_ms=20), 4) if e]
    assert [e.event.id for e in old] == [make_event(n).id for n in (1, 2, 3)]


def test_tail_of_an_empty_stream_begins_with_its_first(script: EventScript, reader: EventReader) -> None:
    new = reader.tail(EventFilter(), block_ms=20)
    assert next(new) is None
    script.add([make_event(1)])
    assert next(e for e in new if e).event == make_event(1)


def test_a_server_that_goes_away(valkey: Server, reader: EventReader) -> None:
    new = reader.tail(EventFilter(), block_ms=20)
    assert next(new) is None
    valkey.kill()
    with pytest.raises(PublishError, match=r"redis\.url"):
        next(new)
