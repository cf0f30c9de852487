"""Live revisions and changes of cameras: one tail of the event log for all viewers.

One task reads what is new once, five times a second, and writes each message once; a viewer's queue holds references to
it. A viewer that reads too slowly is dropped: it comes back with the number of the last revision that it has, and gets
what it missed from the log.
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from daemon.config.sections.cameras import UPLOADS
from daemon.http.access import Principal
from daemon.logs.setup import redact
from daemon.observability.snapshot import CameraStatus, DaemonSnapshot
from workers.errors import EventLogError
from workers.publish.log.records import Record
from workers.publish.log.view import LogView

POLL_S = 0.2
LASTS_S = 900.0  # of one stream: its viewer comes back, and is authenticated again
COMMENT_S = 15.0  # a comment says to proxies and to the page that the connection lives
PAGE = 200  # revisions read at once
QUEUE = 500  # messages that wait for one viewer before it is dropped
FRAMES_PER_S = 25  # that all pages together should request: about 2 % of a core
COMMENT = b": alive\n\n"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event, and by what viewers filter it; ``seq`` 0: not of the event log.

    Without a camera it is for everybody. ``cameras``: others about which it tells.
    """

    data: bytes
    camera: str
    event: str = ""
    seq: int = 0
    cameras: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Viewer:
    """One connection: what it wants, and what waits for it."""

    principal: Principal
    camera: str | None = None
    event: str | None = None
    waiting: "asyncio.Queue[Message | None]" = field(default_factory=lambda: asyncio.Queue(QUEUE + 1))
    dropped: bool = False

    def wants(self, message: Message) -> bool:
        """Return whether the viewer may and wants to see a message."""
        if not message.camera:
            return True
        if not self.principal.sees(message.camera, *message.cameras) or self.camera not in (None, message.camera):
            return False
        return not message.seq or self.event in (None, message.event)

    def offer(self, message: Message) -> None:
        """Let a message wait for the viewer; drop a viewer for whom too many do."""
        if self.dropped or not self.wants(message):
            return
        if self.waiting.qsize() >= QUEUE:
            self.drop()
        else:
            self.waiting.put_nowait(message)

    def drop(self) -> None:
        """End the viewer's stream."""
        self.dropped = True
        self.waiting.put_nowait(None)


class EventTail:
    """Follows the event log in ``folder`` while anybody views it. For the thread of the HTTP server."""

    def __init__(self, folder: Path, snapshot: Callable[[], DaemonSnapshot]) -> None:
        self._log, self._snapshot = LogView(folder), snapshot
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen = 0  # sequence number up to which viewers have been offered everything
        self._states: dict[str, bytes] = {}
        self._is_closed = False

    async def follow(self, viewer: Viewer, after: int | None) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events: the state of all cameras, what came after a revision, then what comes."""
        await self._start()
        if self._is_closed:
            return
        self._viewers.add(viewer)  # from here on nothing is missed; what is read below as well is skipped
        upto = self._seen
        try:
            yield self._pace().data
            for message in self._cameras():
                if viewer.wants(message):
                    yield message.data
            last = upto if after is None or after > upto else after  # a higher number is of another log
            while last < upto and (missed := await asyncio.to_thread(self._read, last)):
                last = missed[-1].seq
                for message in missed:
                    if message.seq <= upto and viewer.wants(message):
                        yield message.data
            async for data in _live(viewer, upto):
                yield data
        finally:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """End all streams. From any thread."""
        self._is_closed = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for viewer in self._viewers:
            viewer.drop()

    async def _start(self) -> None:
        """Begin to follow, with the first viewer."""
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            seen = await asyncio.to_thread(self._log.last)
            if self._task is None or self._task.done():  # else another viewer was faster: the tail may be further
                self._seen = seen
                self._states = {message.camera: message.data for message in (self._pace(), *self._cameras())}
                self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        """Offer what is new to all viewers, until there are none."""
        while self._viewers and not self._is_closed:
            try:
                await self._offer_new()
                self._offer_changes()
            except EventLogError as error:
                log.warning("the event log cannot be followed at present", code=error.code, error=str(error))
                await asyncio.sleep(5 * POLL_S)
            await asyncio.sleep(POLL_S)

    async def _offer_new(self) -> None:
        while messages := await asyncio.to_thread(self._read, self._seen):
            for message in messages:
                for viewer in self._viewers:
                    viewer.offer(message)
            self._seen = messages[-1].seq  # the daemon that owns the log never begins it anew while it runs

    def _offer_changes(self) -> None:
        for message in (self._pace(), *self._cameras()):
            if self._states.get(message.camera) != message.data:
                self._states[message.camera] = message.data
                for viewer in self._viewers:
                    viewer.offer(message)

    def _pace(self) -> Message:
        """Return how often a page should request frames, so that many pages together cost little."""
        cameras = sum(status.name != UPLOADS for status in self._snapshot().cameras)
        every_s = max(1, math.ceil(len(self._viewers) * cameras / FRAMES_PER_S))
        return Message(f'event: pace\ndata: {{"frame_every_s": {every_s}}}\n\n'.encode(), "")

    def _read(self, after: int) -> list[Message]:
        return [revision(record) for record in self._log.after(after, PAGE)]

    def _cameras(self) -> list[Message]:
        return [camera_change(status) for status in self._snapshot().cameras if status.name != UPLOADS]


async def _live(viewer: Viewer, upto: int) -> AsyncGenerator[bytes, None]:
    clock = asyncio.get_running_loop().time
    end = clock() + LASTS_S
    while clock() < end:
        try:
            message = await asyncio.wait_for(viewer.waiting.get(), COMMENT_S)
        except TimeoutError:
            yield COMMENT
            continue
        if message is None or viewer.dropped:
            return
        if not message.seq or message.seq > upto:
            yield message.data


def revision(record: Record) -> Message:
    """Return a revision as a server-sent event."""
    event = record.event
    data = f"event: revision\nid: {record.seq}\ndata: {event.to_json()}\n\n"
    return Message(data.encode(), event.camera, event.event, record.seq, event.cameras)


def camera_change(status: CameraStatus) -> Message:
    """Return what a page shows of a camera at once, as a server-sent event."""
    source = status.stream.source
    document = {
        "name": status.name,
        "state": status.state.value,
        "up": source.up,
        "degraded": status.degraded,
        "restarts": status.restarts,
        "error": status.stream.error or source.last_error,
    }
    data = json.dumps({"cameras": [redact(document)]}, ensure_ascii=False)
    return Message(f"event: cameras\ndata: {data}\n\n".encode(), status.name)
