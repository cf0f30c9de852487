"""The daemon is killed amid a live event: the next start ends it, even of a camera that is watched no more."""

import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from daemon_process import published, running, write_config
from media_servers import http, paced, start

SAMPLE = Path(__file__).resolve().parents[2] / "daemon" / "sample" / "sample.mp4"
CAT = {"cat": {"describe": "a cat", "modalities": ["vision"]}}


def test_an_event_outlives_the_daemon_that_saw_it_begin(tmp_path: Path) -> None:
    shown = tmp_path / "shown.ts"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-ss", "6", "-t", "10", "-i", SAMPLE, "-an", "-c", "copy", shown], check=True
    )
    over = threading.Event()

    def camera(request: BaseHTTPRequestHandler) -> None:
        start(request)
        paced(request.wfile.write, shown.read_bytes(), 10)
        over.wait(60)

    with http(camera) as base:
        cameras = {"yard": {"url": f"{base}/yard", "audio": False, "read_timeout": 60, "stall_timeout": 60}}
        with running(write_config(tmp_path, cameras=cameras, events=CAT), tmp_path) as daemon:
            daemon.wait_for('"type": "new"')
            daemon.process.kill()
            daemon.process.wait()
        over.set()
    (begun,) = published(tmp_path)
    assert begun["type"] in ("new", "update")

    other = {"other": {"url": "synthetic://pattern?seconds=3600&width=64&height=48&fps=5&pace=1"}}
    with running(write_config(tmp_path, cameras=other, events=CAT), tmp_path) as daemon:
        daemon.wait_for("models loaded")
        assert daemon.end() == 0
    (ended,) = published(tmp_path)
    assert (ended["id"], ended["type"], ended["start"]) == (begun["id"], "end", begun["start"])
    assert ended["revision"] > begun["revision"]
