"""A house with a verifier: an event log that a test writes to, and the service that has a model look at its events."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from daemon.config import Config
from daemon.config.loader import config_from
from daemon.verification.service import READER, VerificationService
from daemon.vlm.factory import clients_of
from tests.support.clocks import wait_until
from tests.support.events import make_live
from tests.support.serving.vlm_server import Asked, VlmServer, vlm_server
from workers.events.event import Event, Verification
from workers.publish.log.event_log import EventLog
from workers.publish.log.records import Record
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

CONFIRMED = {"why": "A cat sits on the mat.", "verdict": "confirmed", "confidence": 0.9, "doubt": "An empty mat."}
REJECTED = CONFIRMED | {"why": "The mat is empty.", "verdict": "rejected"}
CAMERAS = ("door", "yard", "bath")


def jpeg(width: int = 640, height: int = 360, colour: str = "red") -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), colour).save(out, format="JPEG", comment=b"a note")
    return out.getvalue()


class House:
    """One state folder; ``model`` is the server."""

    def __init__(self, folder: Path, stack: ExitStack, model: VlmServer) -> None:
        self.folder, self.model, self._stack = folder, model, stack
        self.layout = StateLayout(folder / "state")
        self.view = LogView(self.layout.event_log)
        self.service: VerificationService | None = None
        self.log = EventLog(self.layout.event_log)
        stack.callback(lambda: self.log.close())
        self.log.reader("redis")

    def config(self, cameras: dict[str, Any] | None = None, **verifier: Any) -> Config:
        settings = {"url": self.model.url, "model": "tiny", "timeout": 2} | verifier
        data = {
            "cameras": {n: {"url": f"rtsp://host/{n}"} | (cameras or {}).get(n, {}) for n in CAMERAS},
            "events": {"cat": {"describe": "a cat", "verify": "hold"}},
            "models": {"profile": "colour", "verifier": settings if self.model.port else None},
            "state_dir": str(self.layout.root),
        }
        return config_from(data, self.folder)

    def start(self, cameras: dict[str, Any] | None = None, **verifier: Any) -> VerificationService:
        """Start the service, after the one that ran before it has ended."""
        self.stop()
        config = self.config(cameras, **verifier)
        service = VerificationService(
            config, self.layout, clients_of(config), self.follow, self.acknowledge, self.log.amend
        )
        service.start()
        wait_until(lambda: service.snapshot() is not None and READER in self.log._cursors)
        self.service = service
        self._stack.callback(self.stop)
        return service

    def stop(self) -> None:
        if self.service is not None:
            self.service.stop(5.0)
            self.service = None

    def follow(self, name: str) -> int:
        self.log.reader(name, start="end")
        return self.log.position(name)

    def acknowledge(self, name: str, up_to: int) -> None:
        self.log.reader(name, start="end").acknowledge(up_to)

    def event(
        self, number: int, camera: str = "door", policy: str = "hold", pictured: bool = True, **changes: Any
    ) -> Event:
        """An event that waits for its verdict, with a picture."""
        event = make_live(number, camera=camera, **changes)
        pending = Verification(verdict="pending", policy=policy, fallback="alert")  # type: ignore[arg-type]
        evidence = event.evidence
        if pictured:
            path = self.layout.evidence / camera / f"cat-{event.id}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg())
            evidence = evidence.model_copy(update={"snapshot": str(path), "snapshot_time": event.start})
        return event.model_copy(update={"verification": pending, "evidence": evidence})

    def happen(self, *events: Event) -> None:
        self.log.append(events)

    def last(self, event: Event) -> Event:
        return self.view.revisions(event.id)[-1].event

    def verdict(self, event: Event) -> Verification:
        found = self.last(event).verification
        assert found
        return found

    def judged(self, event: Event, timeout_s: float = 10, look: str = "opening") -> Verification:
        """Wait for a verdict."""
        wait_until(lambda: self.verdict(event).look == look, timeout_s)
        return self.verdict(event)

    def revisions(self, event: Event) -> list[Record]:
        """Return the revisions of an event, after checking that none is there twice."""
        found = self.view.revisions(event.id)
        assert [record.event.revision for record in found] == list(range(len(found)))
        return found


@pytest.fixture
def model() -> Iterator[VlmServer]:
    with vlm_server(CONFIRMED) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, model: VlmServer) -> Iterator[House]:
    with ExitStack() as stack:
        yield House(tmp_path, stack, model)


def ended(event: Event, **changes: Any) -> Event:
    """The end of an event, as its stream writes it."""
    return event.model_copy(update={"type": "end", "revision": event.revision + 1, "end": event.end + 5, **changes})


def number_of(asked: Asked) -> int:
    """Return which event a question is about: the number in its description."""
    found = re.search(r"\d+", str(asked.data["description"]))
    return int(found[0]) if found else -1
