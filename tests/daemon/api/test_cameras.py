"""Cameras, their latest frames, and how often these are encoded."""

import threading
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from daemon.api.frames import FrameCache
from daemon.observability.camera_state import CameraState
from daemon.observability.snapshot import DaemonSnapshot
from tests.daemon.api.conftest import DOOR, FILES, Serve
from tests.support.camera_status import camera_status
from tests.support.clocks import FakeClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.errors import ServiceLost
from workers.stream.latest_frame import LatestFrame
from workers.types import SourceSnapshot


def test_cameras_say_what_they_are_set_to_and_how_they_do(serve: Serve) -> None:
    served = serve()
    source = SourceSnapshot(up=True, last_frame_wall=1e9, frames_sampled=4)
    stream = StreamSnapshot("door", StreamState.RUNNING, live=True, source=source, width=1920, height=1080)
    status = replace(camera_status(stream, restarts=2), state=CameraState.UP, sampled_fps=0.9)
    served.snapshot = DaemonSnapshot(cameras=(status,))
    door, bedroom = served.client().get("cameras").json()["cameras"]
    assert door == {
        "name": "door",
        "url": "rtsp://***@10.0.0.5/1",
        "live": True,
        "state": "up",
        "up": True,
        "fps": 1.0,
        "fps_sampled": 0.9,
        "audio": True,
        "events": ["red", "undressing"],
        "zones": {"gate": [[0, 0], [1, 0], [1, 1]]},
        "masks": [],
        "last_frame_unix": 1e9,
        "error": None,
        "width": 1920,
        "height": 1080,
        "restarts": 2,
        "degraded": False,
        "overloaded": False,
        "scores": {},
        "thresholds": {},
        "warnings": [],
    }
    assert (bedroom["name"], bedroom["state"], bedroom["events"]) == ("bedroom", "starting", ["undressing"])
    assert served.client().get("cameras/bedroom").json() == bedroom
    assert served.client().get("cameras/nowhere").json()["error"] == "not_found"


def test_a_limited_token_knows_of_its_cameras_only(serve: Serve) -> None:
    served = serve()
    served.show("bedroom", 9)
    served.show("door", 9)
    client = served.client(DOOR)
    assert [camera["name"] for camera in client.get("cameras").json()["cameras"]] == ["door"]
    assert client.get("cameras/bedroom").status_code == 404
    assert client.get("cameras/door/frame.jpg").status_code == 200
    refused, missing = client.get("cameras/bedroom/frame.jpg"), client.get("cameras/nowhere/frame.jpg")
    assert (refused.status_code, refused.json()) == (404, missing.json())  # it does not even learn that there is one
    assert served.fetched == ["door"]
    assert served.client(FILES).get("cameras").json() == {"cameras": []}


def test_the_latest_frame_in_the_size_that_is_wanted(serve: Serve) -> None:
    served = serve()
    answer = served.client().get("cameras/door/frame.jpg")
    assert (answer.status_code, answer.json()["error"]) == (404, "no_frame")
    served.show("bedroom", 0)
    served.show("bedroom", 200)
    answer = served.client().get("cameras/bedroom/frame.jpg")
    assert answer.headers["x-frame-unix"] == "1000000200.000"
    picture = Image.open(BytesIO(answer.content))
    assert picture.getpixel((5, 5)) == (200, 200, 200)
    assert picture.size == (448, 252)
    sizes = {}
    for width in (1, 160, 161, 320, 321, 5000):
        found = served.client().get(f"cameras/bedroom/frame.jpg?width={width}")
        sizes[width] = Image.open(BytesIO(found.content)).size
    assert sizes == {1: (160, 90), 160: (160, 90), 161: (320, 180), 320: (320, 180), 321: (448, 252), 5000: (448, 252)}
    again = served.client().get("cameras/bedroom/frame.jpg", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_however_many_viewers_there_are_a_frame_is_fetched_once_a_second() -> None:
    clock, fetched = FakeClock(), []
    wait, entered = threading.Event(), threading.Event()

    def fetch(camera: str) -> LatestFrame:
        fetched.append(camera)
        entered.set()
        assert wait.wait(30)
        out = BytesIO()
        Image.new("RGB", (32, 32)).save(out, "JPEG")
        return LatestFrame(out.getvalue(), 32, 32, 0.0, clock.wall())

    cache, found = FrameCache(fetch, clock), []
    viewers = [threading.Thread(target=lambda: found.append(cache.picture("door"))) for _ in range(20)]
    for viewer in viewers:
        viewer.start()
    assert entered.wait(30)
    wait.set()
    for viewer in viewers:
        viewer.join()
    assert fetched == ["door"]
    assert len(found) == 20
    assert len(set(map(id, found))) == 1
    clock.now += 0.9
    assert cache.picture("door") is found[0]
    clock.now += 0.2
    assert cache.picture("door") is not found[0]
    assert fetched == ["door", "door"]
    cache.picture("yard")
    assert fetched[-1] == "yard"


def test_a_camera_that_does_not_respond_costs_one_wait_a_second() -> None:
    clock, asked = FakeClock(), []

    def fetch(camera: str) -> LatestFrame:
        asked.append(camera)
        raise ServiceLost("an actor does not respond", "it is restarted")

    cache = FrameCache(fetch, clock)
    with pytest.raises(ServiceLost):
        cache.picture("door")
    assert (cache.picture("door"), cache.fresh("door"), len(asked)) == (None, None, 1)
    clock.now += 1
    with pytest.raises(ServiceLost):
        cache.picture("door")


def test_a_camera_that_does_not_respond_is_told_and_others_are_shown(serve: Serve) -> None:
    served = serve()
    served.show("bedroom", 1)

    class Dead:
        def latest(self) -> LatestFrame:
            raise ServiceLost("an actor does not respond", "it is restarted")

    served.holders["door"] = Dead()  # type: ignore[assignment]
    answer = served.client().get("cameras/door/frame.jpg")
    assert (answer.status_code, answer.json()["error"]) == (503, ServiceLost.code)
    assert served.client().get("cameras/bedroom/frame.jpg").status_code == 200


def test_health_is_shown_of_the_cameras_that_a_token_may_know_of(serve: Serve) -> None:
    served = serve()
    health = served.client().get("health").json()
    assert (health["status"], health["ready"], set(health["cameras"])) == ("ok", False, {"door", "bedroom"})
    assert set(served.client(DOOR).get("health").json()["cameras"]) == {"door"}
