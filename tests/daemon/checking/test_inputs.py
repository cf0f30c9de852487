"""What cameras send, found out by opening them all at the same time."""

import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from daemon.checking.inputs import Opened, open_inputs
from tests.support.serving.servers import unresponsive
from tests.support.videos.media import every, make_video
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, MediaLimits

pytestmark = pytest.mark.process


def camera(name: str, url: str | Path, limit_s: float = 2.0) -> CameraSpec:
    return CameraSpec(name, RedactedUrl(str(url)), open_timeout_s=limit_s, read_timeout_s=limit_s)


def opened(*cameras: CameraSpec, limits: MediaLimits | None = None) -> dict[str, Opened]:
    return {o.camera: o for o in open_inputs(cameras, limits or MediaLimits())}


def test_each_camera_is_one_line_of_what_it_sends_or_of_its_error(tmp_path: Path) -> None:
    talking = make_video(tmp_path / "talking.mp4", every(40, 50), audio=(0, 2, 440))
    silent = make_video(tmp_path / "silent.mp4", every(100, 20), size=(160, 96))
    found = opened(
        camera("talking", talking),
        camera("silent", silent),
        camera("none", tmp_path / "none.mp4"),
        camera("door", "rtsp://viewer:pl4nted@127.0.0.1:9/door"),
    )
    assert str(found["talking"]) == "talking: h264, 96x64, 25 fps, aac audio, 44.1 kHz"
    assert str(found["silent"]) == "silent: h264, 160x96, 10 fps, no audio"
    assert "does not exist" in str(found["none"])
    assert str(found["none"]).endswith("check the path or the stream's name")
    assert "rtsp://***@127.0.0.1:9/door cannot be reached" in str(found["door"])
    assert not any("pl4nted" in str(o) for o in found.values())


def test_the_limits_of_the_configuration_hold(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", every(100, 5))
    found = opened(camera("a", path), limits=MediaLimits(max_pixels=1000))
    assert found["a"].error is not None
    assert found["a"].error.code == "source_too_large"


def test_cameras_are_opened_at_the_same_time() -> None:
    """A server that hangs up on all once the fourth has called: one after the other, the first would wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hung_up = threading.Event()

        def answer() -> None:
            calls = [listener.accept()[0] for _ in range(4)]
            for call in calls:
                call.close()
            hung_up.set()

        threading.Thread(target=answer, daemon=True).start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        found = opened(*(camera(f"c{i}", f"tcp://{place}", 30.0) for i in range(4)))
    assert hung_up.is_set()
    assert all(o.error for o in found.values())


def test_who_stops_waiting_leaves_no_process_behind(tmp_path: Path) -> None:
    quick = make_video(tmp_path / "a.mp4", every(100, 5))
    before = {p.pid for p in psutil.Process().children()}
    with unresponsive() as place:
        found = open_inputs([camera("quick", quick), camera("slow", f"rtsp://{place}/door", 8.0)], MediaLimits())
        assert next(found).camera == "quick"
        began = time.monotonic()
        found.close()
    assert time.monotonic() - began < 6.0
    assert {p.pid for p in psutil.Process().children()} == before


def test_no_camera_is_no_error() -> None:
    assert opened() == {}
