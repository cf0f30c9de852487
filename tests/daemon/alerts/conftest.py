"""A house with alerts: an event log that a test writes to, and the service that reads it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from daemon.alerts.service import AlertService
from daemon.alerts.store.history import AlertQuery
from daemon.alerts.types import AlertRow
from daemon.config.loader import config_from
from tests.support.clocks import wait_until
from tests.support.events import make_event
from tests.support.serving.receivers import Receiver, receiver
from workers.clock import Clock
from workers.events.event import Event
from workers.publish.log.event_log import EventLog
from workers.state_layout import StateLayout

EVENTS = {"cat": {"describe": "a cat"}, "dog": {"describe": "a dog"}, "fire": {"describe": "a fire", "priority": 9}}
CAMERAS = {name: {"url": f"rtsp://host/{name}"} for name in ("door", "yard")}


class SteppedClock:
    """Time that runs as it does, and that a test can advance."""

    ahead = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class House:
    """One state folder. ``pace`` shortens the waits of the service."""

    def __init__(self, folder: Path, stack: ExitStack, pace: float = 0.02) -> None:
        self.folder, self._pace = folder, pace
        self.layout = StateLayout(folder / "state")
        self._stack = stack
        self.service: AlertService | None = None
        self.log = EventLog(self.layout.event_log)
        stack.callback(self.log.close)
        self.log.reader("redis")

    def config(self, alerts: dict[str, Any], **sections: Any) -> Any:
        data = {"cameras": CAMERAS, "events": EVENTS, "alerts": alerts, "state_dir": str(self.layout.root)}
        return config_from(data | sections, self.folder)

    def start(self, alerts: dict[str, Any], clock: Clock | None = None, **sections: Any) -> AlertService:
        """Start the service, after what ran before it has ended."""
        if self.service is not None:
            self.service.stop(5.0)
        config = self.config(alerts, **sections)
        self.service = AlertService(config, self.layout, self.follow, self.acknowledge, clock, self._pace)
        self.service.start()
        self._stack.callback(self.service.stop, 5.0)
        return self.service

    def follow(self, name: str) -> int:
        self.log.reader(name, start="end")
        return self.log.position(name)

    def acknowledge(self, name: str, up_to: int) -> None:
        self.log.reader(name, start="end").acknowledge(up_to)

    def happen(self, *events: Event) -> None:
        """Let the event log accept events."""
        self.log.append(events)

    def evidence(self, name: str, content: bytes) -> Path:
        """Keep a file of evidence of the camera at the door."""
        path = self.layout.evidence / "door" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def rows(self, **wanted: Any) -> list[AlertRow]:
        """Return alerts, oldest first."""
        assert self.service
        return self.service.history.page(AlertQuery(**wanted), 1000)[::-1]

    def wait_for(self, state: str, count: int = 1, timeout_s: float = 30, **wanted: Any) -> list[AlertRow]:
        wait_until(lambda: len(self.rows(state=state, **wanted)) >= count, timeout_s)
        return self.rows(state=state, **wanted)

    def reasons(self, **wanted: Any) -> list[str]:
        return [row.reason for row in self.rows(state="suppressed", **wanted)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(tmp_path, stack)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def cat(number: int, **changes: Any) -> Event:
    """The beginning of a live event."""
    now = {"start": 1e9 + number, "end": 1e9 + number + 1, "start_unix": 1e9 + number, "latency_s": 0.5}
    return make_event(number, **{"live": True} | now | changes)


def ended(event: Event, **changes: Any) -> Event:
    """The end of an event."""
    return event.model_copy(update={"type": "end", "revision": event.revision + 1, **changes})
