"""Server-sent events: one tail for all viewers, nothing missed, nothing twice, nothing of other cameras."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.api import tail
from daemon.api.tail import EventTail, Viewer
from daemon.http.access import Principal
from daemon.observability.camera_state import CameraState
from daemon.observability.snapshot import DaemonSnapshot
from tests.daemon.api.conftest import ALL, DOOR, Serve, Served
from tests.support.camera_status import camera_status
from tests.support.events import make_event
from workers.decisions.snapshot import StreamSnapshot
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView

Sent = tuple[str, int | None, Any]  # kind, id, data


@contextmanager
def streaming(served: Served, query: str = "", token: str = ALL, **headers: str) -> Iterator[Iterator[Sent]]:
    with served.client(token).stream("GET", f"stream{query}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer)


def parsed(answer: httpx.Response) -> Iterator[Sent]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields["event"], int(fields["id"]) if "id" in fields else None, json.loads(fields["data"])
            fields = {}


def revisions(sent: Iterator[Sent], count: int) -> list[tuple[int | None, str]]:
    """Return number and event of the next revisions."""
    found: list[tuple[int | None, str]] = []
    while len(found) < count:
        kind, number, data = next(sent)
        if kind == "revision":
            found.append((number, data["id"][:4]))
    return found


def test_what_happens_comes_at_once_and_what_was_missed_first(serve: Serve) -> None:
    served = serve()
    served.log.append([make_event(n) for n in range(3)])
    with streaming(served) as sent:
        assert next(sent) == ("pace", None, {"frame_every_s": 1})
        assert [next(sent)[2]["cameras"][0]["name"] for _ in range(2)] == ["door", "bedroom"]
        served.log.append([make_event(3)])
        assert revisions(sent, 1) == [(4, "0003")]
    served.log.append([make_event(4)])
    with streaming(served, **{"last-event-id": "2"}) as sent:
        assert revisions(sent, 3) == [(3, "0002"), (4, "0003"), (5, "0004")]
        served.log.append([make_event(4, type="end", revision=1)])
        assert revisions(sent, 1) == [(6, "0004")]
    with streaming(served, f"?after={served.client().get('events').json()['last'] - 1}") as sent:
        assert revisions(sent, 1) == [(6, "0004")]


def test_a_viewer_of_another_log_begins_now(serve: Serve) -> None:
    served = serve()
    served.log.append([make_event(0)])
    with streaming(served, **{"last-event-id": "99999"}) as sent:
        next(sent)
        served.log.append([make_event(1)])
        assert revisions(sent, 1) == [(2, "0001")]


def test_filters_and_scopes_hold_for_what_was_missed_and_for_what_comes(serve: Serve) -> None:
    served = serve()
    events = [
        make_event(0, "bedroom"),
        make_event(1, "door"),
        make_event(2, "door", event="red"),
        make_event(3, "uploads"),
    ]
    served.log.append(events)
    with (
        streaming(served, "?after=0", DOOR) as door,
        streaming(served, "?after=0&camera=bedroom") as bedroom,
        streaming(served, "?after=0&event=red") as red,
        streaming(served, "?after=0&camera=bedroom", DOOR) as nothing,
    ):
        again = [replace_id(event, 10 + n) for n, event in enumerate(events)]
        served.log.append(again)
        assert [name for _, name in revisions(door, 4)] == ["0001", "0002", "000b", "000c"]
        assert [name for _, name in revisions(bedroom, 2)] == ["0000", "000a"]
        assert [name for _, name in revisions(red, 2)] == ["0002", "000c"]
        change(served, "bedroom", CameraState.FAILED)
        change(served, "door", CameraState.FAILED)
        kind, _, data = next(door)
        assert (kind, data["cameras"][0]["name"], data["cameras"][0]["state"]) == ("cameras", "door", "failed")
        served.log.append([make_event(99)])
        assert revisions(door, 1) == [(9, "0063")]
        served.snapshot = DaemonSnapshot()
        assert {kind for kind, _, _ in closing_soon(served, nothing)} == {"pace"}


def replace_id(event: Any, number: int) -> Any:
    return event.model_copy(update={"id": f"{number:04x}cafe"})


def change(served: Served, camera: str, state: CameraState) -> None:
    cameras = [replace(c, state=state) if c.name == camera else c for c in served.snapshot.cameras]
    served.snapshot = replace(served.snapshot, cameras=tuple(cameras))


def closing_soon(served: Served, sent: Iterator[Sent]) -> Iterator[Sent]:
    """Yield what a stream sends until the server ends it."""
    served.end_streams()
    yield from sent


# What follows needs no server: viewers of one tail in one event loop.


Start = Callable[[], tuple[EventLog, EventTail]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    logs: list[EventLog] = []
    monkeypatch.setattr(tail, "POLL_S", 0.01)

    def _start() -> tuple[EventLog, EventTail]:
        log = EventLog(tmp_path / "log")
        logs.append(log)
        cameras = (camera_status(StreamSnapshot("door")),)
        return log, EventTail(tmp_path / "log", lambda: DaemonSnapshot(cameras=cameras))

    yield _start
    for log in logs:
        log.close()


async def seqs(stream: AsyncIterator[bytes], count: int) -> list[int]:
    found: list[int] = []
    async for data in stream:
        if data.startswith(b"event: revision"):
            found.append(int(data.split(b"id: ")[1].split(b"\n")[0]))
            if len(found) == count:
                break
    return found


def test_each_revision_is_read_and_written_once_for_all_viewers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    log, shared = start()
    log.append([make_event(0)])
    written, revision = [], tail.revision
    monkeypatch.setattr(tail, "revision", lambda record: written.append(record.seq) or revision(record))

    async def run() -> None:
        async def view() -> list[int]:
            async with aclosing(shared.follow(Viewer(Principal("ann")), None)) as stream:
                return await seqs(stream, 3)

        viewers = [asyncio.create_task(view()) for _ in range(50)]
        while len(shared._viewers) < 50:
            await asyncio.sleep(0.01)
        for number in (1, 2, 3):
            await asyncio.to_thread(log.append, [make_event(number)])
        assert await asyncio.gather(*viewers) == [[2, 3, 4]] * 50

    asyncio.run(run())
    assert written == [2, 3, 4]


def test_nothing_is_missed_or_sent_twice_while_events_come(start: Start) -> None:
    """Viewers come and go at any time, each from what it has; all of them get all."""
    log, shared = start()
    total = 300

    async def run() -> None:
        async def write() -> None:
            for number in range(total):
                await asyncio.to_thread(log.append, [make_event(number)])

        async def view(pieces: int) -> list[int]:
            got: list[int] = []
            while len(got) < total:
                async with aclosing(shared.follow(Viewer(Principal("ann")), got[-1] if got else 0)) as stream:
                    got += await seqs(stream, min(pieces, total - len(got)))
            return got

        viewers = [asyncio.create_task(view(pieces)) for pieces in (1, 7, 50, total)]
        await write()
        for got in await asyncio.gather(*viewers):
            assert got == list(range(1, total + 1))

    asyncio.run(run())


def test_viewers_that_come_at_once_do_not_move_each_others_place(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them starts the tail; what a slower one read of the log by then is old."""
    log, shared = start()
    last, asked, may = LogView.last, threading.Semaphore(0), threading.Event()

    def slow(view: LogView) -> int:
        number = last(view)
        asked.release()
        assert may.wait(60)
        return number

    async def run() -> None:
        async def view(count: int) -> list[int]:
            async with aclosing(shared.follow(Viewer(Principal("ann")), None)) as stream:
                return await seqs(stream, count)

        monkeypatch.setattr(LogView, "last", slow)
        second = asyncio.create_task(view(1))
        await asyncio.to_thread(asked.acquire)
        monkeypatch.setattr(LogView, "last", last)
        first = asyncio.create_task(view(2))
        while shared._task is None:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(log.append, [make_event(0)])
        while shared._seen < 1:
            await asyncio.sleep(0.01)
        may.set()
        while len(shared._viewers) < 2:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(log.append, [make_event(1)])
        assert await asyncio.gather(first, second) == [[1, 2], [2]]

    asyncio.run(run())


def test_what_happens_while_a_viewer_is_told_the_cameras_comes_after_them(start: Start) -> None:
    log, shared = start()

    async def run() -> None:
        async with aclosing(shared.follow(Viewer(Principal("ann")), None)) as stream:
            assert (await anext(stream)).startswith(b"event: pace")
            await asyncio.to_thread(log.append, [make_event(0)])
            while shared._seen < 1:
                await asyncio.sleep(0.01)
            assert await seqs(stream, 1) == [1]

    asyncio.run(run())


def test_a_slow_viewer_is_dropped_and_costs_a_bounded_queue(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "QUEUE", 5)
    log, shared = start()

    async def run() -> None:
        slow, quick = Viewer(Principal("slow")), Viewer(Principal("quick"))
        slow.waiting, quick.waiting = asyncio.Queue(6), asyncio.Queue(6)
        unread, stream = shared.follow(slow, None), shared.follow(quick, None)
        for one in (unread, stream):
            assert (await anext(one)).startswith(b"event: pace")
            assert (await anext(one)).startswith(b"event: cameras")
        for number in range(20):
            await asyncio.to_thread(log.append, [make_event(number)])
            assert await seqs(stream, 1) == [number + 1]
            assert slow.waiting.qsize() <= 6
        assert slow.dropped
        assert [data async for data in unread] == []  # it ends, and its client comes back
        await stream.aclose()

    asyncio.run(run())


def test_without_viewers_nothing_is_read(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    log, shared = start()
    read: list[int] = []

    async def run() -> None:
        async with aclosing(shared.follow(Viewer(Principal("ann")), None)) as stream:
            await anext(stream)
        while shared._task and not shared._task.done():
            await asyncio.sleep(0.01)
        monkeypatch.setattr(LogView, "after", lambda self, seq, limit: read.append(seq) or [])
        await asyncio.to_thread(log.append, [make_event(0)])
        await asyncio.sleep(0.2)

    asyncio.run(run())
    assert read == []


def test_a_stream_is_kept_alive_and_ends_after_its_time(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "COMMENT_S", 0.05)
    monkeypatch.setattr(tail, "LASTS_S", 0.5)
    _, shared = start()

    async def run() -> list[bytes]:
        return [data async for data in shared.follow(Viewer(Principal("ann")), None)]

    sent = asyncio.run(run())
    assert sent[0].startswith(b"event: pace")
    assert sent[1].startswith(b"event: cameras")
    assert set(sent[2:]) == {tail.COMMENT}
    assert len(sent) > 3


def test_many_pages_are_told_to_request_frames_less_often(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "FRAMES_PER_S", 2)
    _, shared = start()

    async def run() -> None:
        first = shared.follow(Viewer(Principal("ann")), None)
        assert b'"frame_every_s": 1}' in await anext(first)
        await anext(first)
        others = [shared.follow(Viewer(Principal("bob")), None) for _ in range(4)]
        for other in others:
            await anext(other)
        async for data in first:
            assert data.startswith(b"event: pace")
            if b'"frame_every_s": 3}' in data:
                break
        for one in (first, *others):
            await one.aclose()

    asyncio.run(run())
