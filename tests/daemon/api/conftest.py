"""The API over real HTTP, on a real event log and configuration file, without a daemon around it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from alignment.summary.tags import NO_NAMES
from daemon.alerts.store.history import AlertStore
from daemon.api import ApiServices, add_api, body_bytes, is_open_route
from daemon.api.frames import FrameCache
from daemon.api.tail import EventTail
from daemon.backtest.run import BacktestModels
from daemon.captions.store import CaptionStore
from daemon.config.changes import Changes, changes
from daemon.config.editing.store import ConfigStore
from daemon.feedback.judge import Judge
from daemon.http import Access, HttpServer, build_app
from daemon.http.sessions import Sessions
from daemon.observability.snapshot import DaemonSnapshot
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.engine import SearchModels
from daemon.search.service import SearchService
from daemon.summary.library import Library
from daemon.vlm.factory import clients_of
from tests.support.camera_status import camera_status
from workers.clock import Clock
from workers.decisions.snapshot import StreamSnapshot
from workers.publish.log.event_log import EventLog
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout
from workers.stream.latest_frame import FrameHolder, LatestFrame
from workers.types import FrameBatch

ALL, DOOR, GRAPHS, FILES = "token-for-everything", "token-for-the-door-only", "token-for-metrics", "token-for-uploads"
CONFIG: dict[str, Any] = {
    "state_dir": "state",
    "models": {"profile": "colour"},
    "cameras": {
        "door": {"url": "rtsp://viewer:s3wn-literal@10.0.0.5/1", "zones": {"gate": [[0, 0], [1, 0], [1, 1]]}},
        "bedroom": {"url": "rtsp://10.0.0.6/1", "events": ["undressing"]},
    },
    "events": {"red": {"describe": "a red picture", "threshold": 0.5}, "undressing": {"describe": "a pink picture"}},
    "uploads": {"folder": "in", "done": "done", "max_size": "2MB"},
    "http": {
        "port": 0,
        "token": ALL,
        "tokens": {
            "door": {"token": DOOR, "may": ["view", "edit", "health", "upload"], "cameras": ["door"]},
            "graphs": {"token": GRAPHS},
            "files": {"token": FILES, "may": ["view", "upload"], "cameras": ["uploads"]},
        },
    },
}


@dataclass
class Served:
    """A server, and what it works on."""

    folder: Path
    log: EventLog
    store: ConfigStore
    snapshot: DaemonSnapshot
    holders: dict[str, FrameHolder] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    taken_over: int = 0
    models: SearchModels | None = None
    backtest_models: BacktestModels | None = None
    url: str = ""
    end_streams: Callable[[], None] = lambda: None

    def client(self, token: str | None = ALL, **headers: str) -> httpx.Client:
        given = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(
            base_url=f"{self.url}/api/v1/", trust_env=False, headers=given | headers, timeout=60, verify=False
        )

    def latest(self, camera: str) -> LatestFrame | None:
        self.fetched.append(camera)
        return self.holders[camera].latest() if camera in self.holders else None

    def show(self, camera: str, colour: int, width: int = 448) -> None:
        """Let a camera see a picture of one colour."""
        frames = np.full((1, width * 9 // 16, width, 3), colour, np.uint8)
        batch = FrameBatch(camera, 0, np.zeros(1), np.full(1, 1e9 + colour), frames)
        self.holders.setdefault(camera, FrameHolder()).keep(batch)

    @property
    def layout(self) -> StateLayout:
        return StateLayout(self.folder / "state")


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server with the sections of ``CONFIG`` or others; ``clock`` tells its event log the time."""
    ends: list[Callable[[], None]] = []

    def _serve(clock: Clock | None = None, **sections: Any) -> Served:
        path = tmp_path / "config.yaml"
        settings = {key: value for key, value in (CONFIG | sections).items() if value is not None}
        path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        store = ConfigStore(path)
        config, _ = store.read()
        layout = StateLayout(config.state_dir)
        log = EventLog(layout.event_log, clock=clock)
        snapshot = DaemonSnapshot(cameras=tuple(camera_status(StreamSnapshot(name)) for name in config.cameras))
        served = Served(tmp_path, log, store, snapshot)
        access = Access.of(config.http, Sessions(layout.sessions))
        for name in ("in", "done"):
            (tmp_path / name).mkdir()

        before = store.read()[0]

        def take_over() -> Changes:
            served.taken_over += 1
            return changes(before, store.read()[0])

        clients = clients_of(config)
        services = ApiServices(
            config=lambda: store.read()[0],
            snapshot=lambda: served.snapshot,
            access=access,
            log=LogView(layout.event_log),
            tail=EventTail(layout.event_log, lambda: served.snapshot),
            frames=FrameCache(served.latest),
            uploads=UploadRecords(layout.uploads),
            alerts=AlertStore(layout.alerts),
            feedback=Judge(layout),
            alerts_folder=layout.alerts,
            store=store,
            take_over=take_over,
            evidence=config.evidence_folder(),
            library=Library(LogView(layout.event_log), layout.index, lambda: NO_NAMES),
            search=SearchService(layout, lambda: store.read()[0], lambda: served.models),
            captions=CaptionStore(layout.captions),
            vlm=lambda: clients,
            backtest_models=lambda: served.backtest_models,
        )
        app = build_app(
            lambda: served.snapshot,
            access,
            is_public=is_open_route,
            extend=lambda app: add_api(app, services),
            body_bytes=body_bytes(services),
        )
        server = HttpServer(app, "127.0.0.1", 0)
        server.start()
        served.url, served.end_streams = server.url, services.tail.close
        ends.extend((services.tail.close, server.stop, clients.close, log.close))
        return served

    yield _serve
    for end in ends:
        end()
