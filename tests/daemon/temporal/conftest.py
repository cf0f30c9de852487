"""A house with rules over time: an event log that a test writes to, streams that it says are watched, the service."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from daemon.config import Config
from daemon.config.loader import config_from
from daemon.observability.snapshot import DaemonSnapshot
from daemon.temporal.service import TemporalService
from tests.support.camera_status import camera_status
from tests.support.clocks import SettableClock
from tests.support.events import make_live
from workers.decisions.coverage import Watched
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.events.event import Event
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout
from workers.types import Receipt, SourceSnapshot

NOW = 1_800_000_000.0
DESCRIBED = {"person": {"describe": "a person"}, "dog": {"describe": "a dog"}}
CAMERAS = {name: {"url": f"rtsp://host/{name}"} for name in ("gate", "yard")}


class House:
    """One state folder; ``at`` seconds have passed since it was opened. Steps are taken by the test, not a thread."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.layout = StateLayout(folder / "state")
        self.clock = SettableClock(NOW)
        self.log = EventLog(self.layout.event_log, clock=self.clock)
        stack.callback(self.log.close)
        self.log.reader("redis")
        self.view = LogView(self.layout.event_log)
        self.watched: dict[tuple[str, str], Watched] = {}
        self._parts: dict[str, Event] = {}
        self._number = 0

    def config(self, **rules: Any) -> Config:
        events = DESCRIBED | {name: {"when": rule} if isinstance(rule, str) else rule for name, rule in rules.items()}
        data = {"cameras": CAMERAS, "events": events, "state_dir": str(self.layout.root)}
        return config_from(data, self.folder)

    def start(self, publish: Any = None, **rules: Any) -> TemporalService:
        """Return a service that is new, as after a start of the daemon; it takes its first step."""
        service = TemporalService(
            self.config(**rules), self.layout, self.follow, self.acknowledge, publish or self.publish,
            self.snapshot, self.clock,
        )  # fmt: skip
        service.prepare()
        self.settle(service)
        return service

    def settle(self, service: TemporalService) -> None:
        while service.step():
            pass

    def follow(self, name: str) -> int:
        self.log.reader(name, start="end")
        return self.log.position(name)

    def acknowledge(self, name: str, up_to: int) -> None:
        self.log.reader(name, start="end").acknowledge(up_to)

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Publish as the daemon's publisher does: a revision that is known is no second one."""
        known = {(r.event.id, r.event.revision) for r in self.view.all()}
        new = [event for event in events if (event.id, event.revision) not in known]
        self.log.append(new)
        return tuple(Receipt(e.id, e.revision, e not in new) for e in events)

    def snapshot(self) -> DaemonSnapshot:
        cameras = []
        for name in CAMERAS:
            watched = {event: known for (camera, event), known in self.watched.items() if camera == name}
            stream = StreamSnapshot(name, StreamState.RUNNING, True, source=SourceSnapshot(up=True), watched=watched)
            cameras.append(camera_status(stream))
        return DaemonSnapshot(tuple(cameras))

    def watch(self, until: float, since: float = 0.0, cameras: Sequence[str] = ("gate", "yard")) -> None:
        """Let all events of cameras be known until a second."""
        for camera in cameras:
            for event in DESCRIBED:
                self.watched[camera, event] = Watched(NOW + since, NOW + until)
        self.clock.now = max(self.clock.now, NOW + until)

    def begin(self, name: str, start: float, so_far: float = 1.0, **changes: Any) -> str:
        """Let an event ``CAMERA.EVENT`` begin, at a second; return its id."""
        camera, event = name.split(".")
        self._number += 1
        first = {"start": NOW + start, "end": NOW + start + so_far, "camera": camera, "event": event}
        part = make_live(self._number, **(first | changes))
        self._parts[part.id] = part
        self.log.append([part])
        return part.id

    def end(self, part_id: str, end: float) -> None:
        """Let it end, at a second."""
        before = self._parts[part_id]
        self._parts[part_id] = part = before.model_copy(
            update={"type": "end", "revision": before.revision + 1, "end": NOW + end}
        )
        self.log.append([part])

    def happen(self, name: str, start: float, end: float, **changes: Any) -> str:
        """Let an event begin and end."""
        part_id = self.begin(name, start, **changes)
        self.end(part_id, end)
        return part_id

    def found(self, *rules: str) -> list[Event]:
        """Return all revisions of events that rules have made, with times relative to the beginning."""
        records = self.view.all()
        made = [r.event for r in records if r.event.event in rules or (not rules and r.event.event not in DESCRIBED)]
        return [e.model_copy(update={"start": e.start - NOW, "end": e.end - NOW}) for e in made]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(tmp_path, stack)
