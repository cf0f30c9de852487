"""What was started is stopped, whatever fails in between."""

import threading
from pathlib import Path

import pytest

from daemon.config import load_config
from daemon.service import daemon as lifecycle
from daemon.service.daemon import Daemon
from tests.support.programs.daemon import write_config
from tests.support.serving.servers import closed_port
from tests.support.streams.pipelines import ColourEncoder
from workers.publish.log.event_log import EventLog
from workers.services.clients import EncoderDescription
from workers.services.publisher import open_publisher
from workers.services.settings import ServiceSettings


class Services:
    """A runtime that holds a real event log, and an encoder that takes no time to load."""

    def __init__(self, name: str, settings: ServiceSettings, address: str | None) -> None:
        self._settings = settings

    def start(self) -> EncoderDescription:
        self._sink = open_publisher(self._settings.redis, self._settings.event_log_folder)
        return ColourEncoder().describe()

    def erase(self, ids: frozenset[str], before_s: float) -> int:
        return 0

    def stop(self, timeout_s: float) -> None:
        self._sink.close()


def test_the_services_are_stopped_though_the_janitor_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        if thread.name == "janitor":
            raise RuntimeError("can't start new thread")
        start(thread)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    monkeypatch.setattr(lifecycle, "build_runtime", Services)
    camera, redis = {"url": "synthetic://pattern"}, {"url": f"redis://127.0.0.1:{closed_port()}"}
    config = write_config(tmp_path, cameras={"a": camera}, events={"cat": {"describe": "a cat"}}, redis=redis)
    with pytest.raises(RuntimeError, match="new thread"):
        Daemon(load_config(config)).run()
    EventLog(tmp_path / "state" / "events").close()  # nobody holds it any more
