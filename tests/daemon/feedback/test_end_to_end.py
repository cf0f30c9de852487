"""A camera that shows two things again and again, a rule that reports both, and a person who wants one of them."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.support.programs.daemon import running, write_config
from workers.models.colours import COLOURS

pytestmark = pytest.mark.process

PASS_S = 24
WANTED, OTHER = "blue", "yellow"  # beside the red that the rule describes
RULE = {"describe": "a red picture", "threshold": 0.2, "min_duration": 1}


def film(path: Path) -> Path:
    """Grey, then red and blue, grey, then red and yellow: six seconds each."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for beside in (None, WANTED, None, OTHER):
            picture = np.full((64, 96, 3), COLOURS["grey"][0], np.uint8)
            if beside is not None:
                picture[:, :48], picture[:, 48:] = COLOURS["red"][0], COLOURS[beside][0]
            for _ in range(30):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def is_other(event: dict[str, Any]) -> bool:
    return bool((event["start"] + event["end"]) / 2 % PASS_S > PASS_S / 2)


def until(check: Callable[[], Any], timeout_s: float = 60) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_what_was_judged_wrong_is_not_reported_again_by_the_running_camera(tmp_path: Path) -> None:
    camera = {"url": str(film(tmp_path / "film.mp4")), "loop": True, "audio": False}
    config = write_config(tmp_path, cameras={"yard": camera}, events={"red": RULE}, evidence={"clips": False})
    with running(config, tmp_path) as daemon:
        daemon.wait_for("models loaded")
        url = re.findall(r"http://127\.0\.0\.1:\d+", daemon.log())[0]
        http = httpx.Client(base_url=f"{url}/api/v1/", trust_env=False, headers={"x-watchword": "1"}, timeout=30)

        def ended() -> list[dict[str, Any]]:
            events = http.get("events?event=red&limit=20").json()["events"]
            return [e for e in events if e["type"] == "end"]

        until(lambda: len([e for e in ended() if is_other(e)]) >= 3 and len(ended()) >= 6)
        for event in ended()[:10]:
            verdict = {"verdict": "wrong" if is_other(event) else "right"}
            assert http.post(f"events/{event['id']}/feedback", json=verdict).status_code == 200
        learned = until(lambda: (found := http.get("rules/red/feedback").json())["in_force"] and found)
        assert learned["versions"][0]["wrong_kept"] == 0
        until(lambda: not any(map(is_other, ended()[:8])))  # every other one was
        assert http.get("cameras").json()["cameras"][0]["restarts"] == 0

        http.post("rules/red/feedback", json={"version": "back"})
        until(lambda: is_other(ended()[0]))
