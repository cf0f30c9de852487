"""A house whose verifier writes captions: an event log and uploads that a test fills, and the service."""

from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from alignment.summary.tags import NO_NAMES
from daemon.captions.service import CaptionService
from daemon.captions.store import CaptionStore
from daemon.config import Config
from daemon.config.loader import config_from
from daemon.privacy.stores.uploads import UploadRecords
from daemon.service.sidecars import describe_sidecar
from daemon.summary.library import Library
from daemon.summary.undescribed import UndescribedUploads
from daemon.vlm.factory import clients_of
from tests.support.events import make_live
from tests.support.recorded.event_log import FixedClock
from tests.support.serving.vlm_server import Asked, VlmServer, says, vlm_server
from workers.events.event import Caption, Event
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

FAST = {"calls_per_minute": 10_000, "calls_per_day": 100_000}
CAPTION: dict[str, Any] = {"caption": "A cat sits on the mat.", "attributes": ["grey cat", "doormat"]}


def writes(asked: Asked) -> Any:
    """Answer each kind of question as a model would, with what tells which one it was."""
    data = asked.data
    if "looked_for" in data:
        return CAPTION
    if "lines" in data:
        return {"lines": [{"number": line["number"], "text": f"<{line['text']}>"} for line in data["lines"]]}
    if "events" in data:
        return {"title": "A film", "paragraph": f"{len(data['chapters'])} chapters.", "tags": ["colours", "test"]}
    numbers = [chapter["number"] for chapter in data["chapters"]]
    return {"chapters": [{"number": n, "title": f"Part {n}", "text": f"Scene {n} is shown."} for n in numbers]}


class PassingClock(FixedClock):
    """A clock that passes while it is looked at: who waits for a turn gets it."""

    def monotonic(self) -> float:
        self.now += 0.02
        return super().monotonic()


class House:
    """One state folder; ``model`` is the server."""

    def __init__(self, folder: Path, stack: ExitStack, model: VlmServer) -> None:
        self.folder, self.model, self._stack = folder, model, stack
        self.layout, self.clock, self.is_busy = StateLayout(folder / "state"), PassingClock(), False
        self.view, self.captions = LogView(self.layout.event_log), CaptionStore(self.layout.captions)
        self.uploads = UploadRecords(self.layout.uploads)
        self.service: CaptionService | None = None
        self.log = EventLog(self.layout.event_log, clock=self.clock)
        stack.callback(self.log.close)
        self.log.reader("redis")
        (folder / "done").mkdir()

    def config(self, events: Any = None, cameras: Any = None, **verifier: Any) -> Config:
        settings = {"url": self.model.url, "model": "tiny", "timeout": 5, "captions": True} | FAST | verifier
        data = {
            "cameras": {n: {"url": f"rtsp://host/{n}"} | (cameras or {}).get(n, {}) for n in ("door", "bath")},
            "events": {"cat": {"describe": "a cat"} | (events or {})},
            "models": {"profile": "colour", "verifier": settings},
            "state_dir": str(self.layout.root),
        }
        return config_from(data, self.folder)

    def open(self, events: Any = None, cameras: Any = None, **verifier: Any) -> CaptionService:
        """Return a service whose steps the test makes, as after a start of the daemon."""
        config = self.config(events, cameras, **verifier)
        clients = clients_of(config)
        self._stack.callback(clients.close)
        library = Library(self.view, self.layout.index, lambda: NO_NAMES)
        service = CaptionService(
            config,
            self.layout,
            clients,
            self.follow,
            self.acknowledge,
            self.amend,
            UndescribedUploads(self.uploads, library),
            lambda material, texts: describe_sidecar(material.path, texts, self.captions),
            lambda: self.is_busy,
            self.clock,
        )
        return service

    def work(self, service: CaptionService) -> None:
        """Let a service work until nothing is left."""
        while service.step():
            self.clock.now += 0.1

    def follow(self, name: str) -> int:
        self.log.reader(name, start="end")
        return self.log.position(name)

    def acknowledge(self, name: str, up_to: int) -> None:
        self.log.reader(name, start="end").acknowledge(up_to)

    def amend(self, event_id: str, caption: Caption) -> Event | None:
        return self.log.amend(event_id, caption=caption)

    def event(self, number: int, camera: str = "door", pictured: bool = True, **changes: Any) -> Event:
        """A live event that has ended just now, with a picture."""
        times = {"start": self.clock.now - 5, "end": self.clock.now - 1, "type": "end"}
        event = make_live(number, camera=camera, **(times | changes))
        if not pictured:
            return event
        path = self.layout.evidence / camera / f"cat-{event.id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg())
        changed = event.evidence.model_copy(update={"snapshot": str(path), "snapshot_time": event.start})
        return event.model_copy(update={"evidence": changed})

    def happen(self, *events: Event) -> None:
        for event in events:
            self.clock.now += 1.0
            self.log.append([event])

    def caption(self, event: Event) -> Caption | None:
        return self.view.revisions(event.id)[-1].event.caption


def jpeg(width: int = 640, height: int = 360) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), "red").save(out, format="JPEG", comment=b"a note")
    return out.getvalue()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose model answers as ``writes``."""
    with ExitStack() as stack:
        yield House(tmp_path, stack, stack.enter_context(vlm_server(says(writes))))
