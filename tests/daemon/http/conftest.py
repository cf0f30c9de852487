"""Real servers to ask."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon.config.sections.http import HttpConfig
from daemon.http import Access, HttpServer, TlsFiles, build_app
from daemon.observability.snapshot import DaemonSnapshot


class State:
    """What the server shows."""

    def __init__(self) -> None:
        self.now = DaemonSnapshot()

    def get(self) -> DaemonSnapshot:
        return self.now


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def serve(state: State) -> Iterator[Callable[..., httpx.Client]]:
    """Start a server by its settings; return a client of it. ``host``: where it listens."""
    running: list[HttpServer] = []

    def _serve(host: str = "127.0.0.1", tls: TlsFiles | None = None, **settings: Any) -> httpx.Client:
        config = HttpConfig.model_validate(settings, context={"folder": Path.cwd()})
        access = Access.of(config)
        server = HttpServer(build_app(state.get, access), host, 0, tls, access.is_proxy)
        server.start()
        running.append(server)
        return httpx.Client(base_url=server.url, trust_env=False)

    yield _serve
    for server in running:
        server.stop()
