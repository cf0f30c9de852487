"""The daemon is killed amid a live event: the next start ends it, even of a camera that is watched no more."""

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.programs.daemon import RED, published, running, write_config
from tests.support.serving.servers import http, paced, start
from tests.support.streams.pipelines import write_colours

pytestmark = pytest.mark.process


def test_an_event_outlives_the_daemon_that_saw_it_begin(tmp_path: Path) -> None:
    shown = write_colours(tmp_path / "shown.ts", [("grey", 1), ("red", 9)])
    over = threading.Event()

    def camera(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, shown.read_bytes(), 10)
        over.wait(60)

    with http(camera) as base:
        cameras = {"yard": {"url": f"{base}/yard", "audio": False, "read_timeout": 60, "stall_timeout": 60}}
        with running(write_config(tmp_path, cameras=cameras, events=RED), tmp_path) as daemon:
            daemon.wait_for('"type": "new"')
            daemon.process.kill()
            daemon.process.wait()
        over.set()
    (begun,) = published(tmp_path)
    assert begun["type"] in ("new", "update")

    other = {"other": {"url": "synthetic://pattern?seconds=3600&width=64&height=48&fps=5&pace=1"}}
    with running(write_config(tmp_path, cameras=other, events=RED), tmp_path) as daemon:
        daemon.wait_for("models loaded")
        assert daemon.end() == 0
    (ended,) = published(tmp_path)
    assert (ended["id"], ended["type"], ended["start"]) == (begun["id"], "end", begun["start"])
    assert ended["revision"] > begun["revision"]
