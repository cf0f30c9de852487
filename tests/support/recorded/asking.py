"""Questions about an index of colours, an event log and an upload, to a scripted vision-language model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image

from daemon.api.transcoding import Transcoder
from daemon.asking.asker import Asker
from daemon.asking.types import Answer, AskRequest, Step
from daemon.checking.descriptions import DescriptionJudge
from daemon.config import Config, config_from
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from daemon.search.engine import SearchModels
from daemon.search.service import SearchService
from daemon.vlm.factory import VlmClients, clients_of
from tests.support.clocks import FakeClock
from tests.support.events import make_event
from tests.support.recorded.recordings import LIVE, NOW, day, frame, seen, write_shard
from tests.support.serving.vlm_server import Asked
from tests.support.videos.media import every, make_video
from workers.events.event import Event
from workers.index.types import StoredFile
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.services.encoder import EncoderService
from workers.services.proxies import EncoderProxy, LocalTransport
from workers.state_layout import StateLayout

UTC = ZoneInfo("UTC")


def plan(*descriptions: str, **changes: Any) -> dict[str, Any]:
    """Return a plan as a model writes it: to search for descriptions."""
    searches = [{"description": text, "spoken": False, "classes": [], "words": ""} for text in descriptions]
    return {"searches": searches, "rules": [], "cameras": [], "when": None} | changes


def when(**said: Any) -> dict[str, Any]:
    return dict.fromkeys(("last_minutes", "day", "from_time", "to_time")) | {"days": 1} | said


def claims(*sentences: tuple[str, Sequence[int]]) -> dict[str, Any]:
    """Return an answer as a model writes it."""
    return {"sentences": [{"text": text, "moments": [*numbers]} for text, numbers in sentences]}


def is_plan(asked: Asked) -> bool:
    return "moments" not in asked.data


@dataclass
class World:
    """A state folder with the recordings of ``day``, and who answers questions about it.

    ``cameras``: settings of door, yard and bedroom. Its clock shows 4000 s after ``NOW``.
    """

    folder: Path
    encoder: EncoderService
    models: Mapping[str, Any]
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cameras = {name: {"url": f"rtsp://127.0.0.1:9/{name}"} for name in ("door", "yard", "bedroom")}
        self.config: Config = config_from(
            {
                "state_dir": str(self.folder / "state"),
                "models": {"profile": "colour", **self.models},
                "cameras": {name: given | dict(self.cameras.get(name, {})) for name, given in cameras.items()},
                "events": {"red": {"describe": "a red picture"}, "gate": {"describe": "an open gate"}},
                "uploads": {"folder": str(self.folder / "in"), "done": str(self.folder / "done")},
            },
            self.folder,
        )
        layout = StateLayout(self.config.state_dir)
        self.layout, self._accepts = layout, At(NOW)
        day(layout.index)
        self.log = EventLog(layout.event_log, clock=self._accepts)
        self.clients: VlmClients = clients_of(self.config)
        models = SearchModels(EncoderProxy(LocalTransport(self.encoder)), None, DescriptionJudge(self.config))
        finder = SearchService(layout, lambda: self.config, lambda: models)
        view = LogView(layout.event_log)
        self.asker = Asker(lambda: self.config, lambda: self.clients, finder, view, Transcoder().still, At(NOW + 4000))

    def ask(self, question: str = "who was there?", visible: frozenset[str] | None = None, **asked: Any) -> Answer:
        *self.steps, answer = self.asker.ask(AskRequest(question, UTC, **asked), visible)
        assert all(isinstance(step, Step) for step in self.steps)
        assert isinstance(answer, Answer)
        return answer

    def happened(self, number: int, rule: str, camera: str, start: float, colour: str = "", **more: Any) -> Event:
        """Store an event that lasts 5 s from ``start`` after ``NOW`` on, and its snapshot, mostly of one colour."""
        evidence: dict[str, Any] = {"snapshot": None, "clip": None, "top_frames": [[NOW + start + 2, 0.9]], "words": []}
        event = make_event(number, camera, start=NOW + start, end=NOW + start + 5, live=True, event=rule)
        if colour:
            path = self.layout.evidence / camera / "2026-01-01" / f"{event.id}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame(colour)).resize((1280, 720)).save(path)
            evidence["snapshot"] = str(path)
        times = {"start_unix": event.start, "end_unix": event.end, "segment": "session-1/0"}
        document = event.to_document() | times | {"evidence": evidence | more.pop("evidence", {})} | more
        event = Event.model_validate_json(json.dumps(document))
        self._accepts.unix = event.end
        self.log.append([event])
        return event

    def uploaded(self, name: str = "film.mp4") -> None:
        """Add an upload: numbered frames, that are red from 8 to 14 s for the model."""
        film = self.folder / "done" / name
        film.parent.mkdir()
        make_video(film, every(200, 100))
        tape = replace(LIVE, camera="uploads", key="film", live=False, file=StoredFile(name, name))
        write_shard(self.layout.index, tape, [seen(0.5, ["green"] * 8 + ["red"] * 6 + ["green"] * 6)])
        UploadRecords(self.layout.uploads).note(WatchedUpload(str(film), NOW - 1, NOW + 9))

    def close(self) -> None:
        self.clients.close()
        self.log.close()


class At(FakeClock):
    """A clock that shows one time."""

    def __init__(self, unix: float) -> None:
        super().__init__()
        self.unix = unix

    def wall(self) -> float:
        return self.unix


def colour_of(jpeg: bytes) -> str:
    """Return which of red, green and blue a picture mostly is; it is as small as models take it."""
    with Image.open(BytesIO(jpeg)) as picture:
        assert max(picture.size) <= 640
        top = picture.convert("RGB").resize((1, 1), box=(0, 0, picture.width, picture.height // 2))
    return ("red", "green", "blue")[max(range(3), key=lambda channel: top.getextrema()[channel])]
