from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.support.events import make_event
from workers.events.explain_picture import BOX, ZONE
from workers.events.overlay import draw_overlay

SIZE = (640, 360)
EVIDENCE = {
    "snapshot": "x.jpg",
    "snapshot_time": 2.5,
    "clip": None,
    "zones": [{"name": "gate", "area": [[0.1, 0.2], [0.9, 0.2], [0.9, 0.95], [0.1, 0.95]]}],
    "top_frames": [],
    "objects": [
        {"time": 2.5, "name": "cat", "score": 0.9, "box": [0.25, 0.5, 0.5, 0.75]},
        {"time": 9.5, "name": "dog", "score": 0.9, "box": [0.7, 0.5, 0.8, 0.75]},
    ],
    "words": [],
}


def jpeg() -> bytes:
    out = BytesIO()
    Image.new("RGB", SIZE, (90, 90, 90)).save(out, format="JPEG", quality=95, comment="watchword 1.000 2.000")
    return out.getvalue()


def is_near(picture: np.ndarray, colour: str) -> np.ndarray:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return np.abs(picture.astype(int) - wanted).max(axis=2) < 60


def test_zones_and_the_boxes_of_its_own_time_are_drawn() -> None:
    with Image.open(BytesIO(draw_overlay(jpeg(), make_event(evidence=EVIDENCE)))) as drawn:
        assert drawn.size == SIZE
        assert drawn.info["comment"] == b"watchword 1.000 2.000"
        picture = np.asarray(drawn)
    box, zone = is_near(picture, BOX), is_near(picture, ZONE)
    assert box[182:268, 160:162].mean() > 0.8  # the left edge of the cat's box
    assert box[264:272, 165:315].max(axis=0).mean() > 0.9
    assert not box[:, 440:].any()  # the dog was seen at another time
    assert zone[70:340, 60:70].max(axis=1).mean() > 0.8
    assert (np.abs(picture[200:250, 170:300].astype(int) - 90) < 30).all()  # what is in the box stays visible


@pytest.mark.parametrize("changes", [{"zones": [], "objects": []}, {"zones": [], "snapshot_time": None}])
def test_without_anything_to_draw_the_picture_stays_as_it_is(changes: dict[str, object]) -> None:
    with Image.open(BytesIO(draw_overlay(jpeg(), make_event(evidence=EVIDENCE | changes)))) as drawn:
        assert np.abs(np.asarray(drawn).astype(int) - 90).max() < 8


def test_what_is_no_picture_is_an_error() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        draw_overlay(b"nothing", make_event())
