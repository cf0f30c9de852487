"""A daemon that is killed when the model has just answered, and started again: what an upload shows is written once."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from daemon.captions.store import CaptionStore
from daemon.captions.types import is_upload
from daemon.privacy.stores.uploads import sidecar
from tests.daemon.captions.conftest import CAPTION, FAST, writes
from tests.support.clocks import wait_until
from tests.support.programs.daemon import RED, published, running, watchword, write_config
from tests.support.serving.vlm_server import Asked, Request, says, vlm_server
from tests.support.streams.pipelines import write_colours
from workers.state_layout import StateLayout

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


def test_an_upload_and_its_event_are_described_through_a_kill_and_forgotten(tmp_path: Path) -> None:
    pids: list[int] = []
    answered = threading.Event()

    def answer_and_kill(request: Request, asked: Asked) -> None:
        says(writes)(request, asked)
        request.wfile.flush()
        os.kill(pids[-1], signal.SIGKILL)
        answered.set()

    (tmp_path / "in").mkdir()
    write_colours(tmp_path / "in" / "film.mp4", [("grey", 8), ("red", 8), ("grey", 8)])
    store = CaptionStore(StateLayout(tmp_path / "state").captions)
    with vlm_server(says(writes), answer_and_kill) as model:
        verifier = {"url": model.url, "model": "tiny", "captions": True} | FAST
        config = write_config(
            tmp_path,
            uploads={"folder": "in", "done": "done", "sidecars": True},
            events=RED,
            models={"profile": "colour", "verifier": verifier},
        )
        with running(config, tmp_path) as daemon:
            pids.append(daemon.process.pid)
            assert answered.wait(120), daemon.log()
            daemon.process.wait(30)
        with running(config, tmp_path) as daemon:
            wait_until(lambda: {is_upload(owner) for owner in store.complete()} == {False, True}, 120)
            file = tmp_path / "done" / "film.mp4"
            wait_until(lambda: "description" in json.loads(sidecar(file, "json").read_text(encoding="utf-8")), 30)
            asked = [one.data for one in model.asked if "looked_for" in one.data]
            assert len(asked) <= 2  # the answer of the killed one may have been lost
            assert all("red" in one["looked_for"][0] for one in asked)
            assert max(len(one.jpegs) for one in model.asked) >= 1
            wait_until(lambda: any(one.get("caption") for one in published(tmp_path)), 30)
            captions = [one["caption"] for one in published(tmp_path, all_revisions=True) if one.get("caption")]
            assert [(one["text"], one["language"]) for one in captions] == [(CAPTION["caption"], "en")]
            document = json.loads(sidecar(file, "json").read_text(encoding="utf-8"))
            assert document["events"][0]["caption"]["text"] == CAPTION["caption"]
            forgotten = watchword(
                "forget", "--config", config, "--camera", "uploads", "--from", "1h", "--to", "0s", "--yes"
            )
            assert forgotten.returncode == 0, forgotten.stderr
            assert store.owners() == []
            assert daemon.end() == 0, daemon.log()[-3000:]
