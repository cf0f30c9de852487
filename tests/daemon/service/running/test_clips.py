"""Clips of a live camera, from the running daemon: in time, complete, and with what there is when it stops."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.support.programs.daemon import RED, running, write_config
from tests.support.serving.servers import paced, tcp
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

pytestmark = [pytest.mark.process, pytest.mark.realtime, pytest.mark.timeout(180)]
ROLL_S = 2.0
SLOW_S = 20.0  # that a busy machine may need for what takes a second
EVIDENCE = {"pre": f"{ROLL_S:g}s", "post": f"{ROLL_S:g}s"}


def write_camera(path: Path, scenes: list[tuple[str, float]]) -> Path:
    """Encode colours as a camera would send them, with sound."""
    inputs: list[str] = []
    for colour, seconds in scenes:
        inputs += ["-f", "lavfi", "-i", f"color={colour}:s=640x360:r=10:d={seconds}"]
    joined = "".join(f"[{n}]" for n in range(len(scenes))) + f"concat=n={len(scenes)}[v]"
    sound = ["-f", "lavfi", "-i", f"sine=d={sum(s for _, s in scenes)}"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", "-f", "mpegts"]
    maps = ["-filter_complex", joined, "-map", "[v]", "-map", f"{len(scenes)}:a"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *sound, *maps, *coded, str(path)], check=True)
    return path


def wait(condition: Callable[[], Any], limit_s: float = 90.0) -> Any:
    until = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def reds(path: Path) -> list[bool]:
    """Return of each frame of a clip whether it is red."""
    with av.open(str(path), "r") as clip:
        means = [f.to_ndarray(format="rgb24").mean((0, 1)) for f in clip.decode(clip.streams.video[0])]
    return [bool(m[0] > 200 and m[1] < 60) for m in np.array(means)]


def test_a_clip_is_there_soon_after_the_event_and_at_a_stop_what_there_is(tmp_path: Path) -> None:
    media = write_camera(tmp_path / "camera.ts", [("gray", 6), ("red", 4), ("gray", 12), ("red", 60)])
    log = LogView(StateLayout(tmp_path / "state").event_log)

    def event(number: int, kind: str) -> Any:
        """Return the revision of a kind of the event with this number; None while there is none."""
        ids = list(dict.fromkeys(r.event.id for r in log.all()))[number : number + 1]
        return next((r.event for r in log.all() if r.event.type == kind and r.event.id in ids), None)

    with tcp(lambda c: paced(c.sendall, media.read_bytes(), 82)) as port:
        cameras = {"door": {"url": f"tcp://127.0.0.1:{port}", "fps": 2}}
        config = write_config(tmp_path, cameras=cameras, events=RED, evidence=EVIDENCE)
        with running(config, tmp_path) as daemon:
            clip = Path(wait(lambda: event(0, "new")).evidence.clip)
            assert clip.parts[-3] == "door"
            end = wait(lambda: event(0, "end"))
            closed = time.time()
            wait(clip.exists)
            assert time.time() - max(closed, end.end + ROLL_S) < SLOW_S
            red = reds(clip)  # complete as soon as it is there
            first, last = red.index(True), len(red) - red[::-1].index(True)
            assert 10 * (ROLL_S - 1) <= first <= 10 * (ROLL_S + 2.5)  # to a clip before, and to the key frame before
            assert len(red) - last == pytest.approx(10 * ROLL_S, abs=15)
            with Image.open(str(end.evidence.snapshot)) as picture:
                assert picture.size == (640, 360)
            opened = wait(lambda: event(1, "new"))
            assert not Path(opened.evidence.clip).exists()
            assert daemon.end() == 0
            assert any(reds(Path(opened.evidence.clip)))
    assert not [*(tmp_path / "state").rglob(".*.part")]
