"""What the model sees: frames over the span, the event's own picture among them, and a detail beside them."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from daemon.verification.pictures import pictures_of, spread
from tests.daemon.verification.conftest import jpeg
from tests.support.events import make_live
from workers.events.event import Event
from workers.events.kept_frames import KeptFrame

COLOURS = ("red", "green", "blue", "white", "yellow", "cyan", "magenta", "black")
SEEN = {"time": 103.0, "name": "person", "score": 0.9, "box": (0.4, 0.4, 0.6, 0.6)}


def frames(count: int, *boxes: tuple[float, float, float, float]) -> list[KeptFrame]:
    return [KeptFrame(100.0 + n, jpeg(320, 180, COLOURS[n]), boxes) for n in range(count)]


def event(**evidence: Any) -> Event:
    made = make_live(1, start=100.0, end=108.0)
    document = made.to_document()
    document["evidence"] |= {"snapshot_time": 103.0} | evidence
    return Event.model_validate_json(__import__("json").dumps(document))


def colour(content: bytes) -> tuple[int, ...]:
    with Image.open(BytesIO(content)) as picture:
        found = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert isinstance(found, tuple)
    return tuple(round(value / 255) for value in found)


@pytest.mark.parametrize("most", range(1, 9))
def test_frames_are_spread_over_the_span_with_the_best_among_them(most: int) -> None:
    chosen = [frame.t - 100 for frame in spread(frames(8), most, 103.2)]
    assert len(chosen) == most
    assert chosen == sorted(chosen)
    assert 3 in chosen
    if most >= 3:
        assert (chosen[0], chosen[-1]) == (0, 7)


def test_captions_are_ours_and_say_when() -> None:
    found = pictures_of(event(snapshot_time=None), frames(2), None, 4)
    captions = [picture.caption for picture in found]
    assert captions == ["frame 1 of 2, 0.0 s after the beginning", "frame 2 of 2, 1.0 s after the beginning"]
    early = [KeptFrame(98.5, jpeg(), ())]
    assert pictures_of(event(), early, None, 4)[0].caption == "frame 1 of 1, 1.5 s before the beginning"


def test_the_full_picture_takes_the_place_of_the_frame_of_its_time_without_metadata() -> None:
    found = pictures_of(event(), frames(5), jpeg(4000, 2250, "gray"), 4)
    assert len(found) == 4
    sizes = [Image.open(BytesIO(picture.jpeg)).size for picture in found]
    assert sorted(sizes) == [(320, 180)] * 3 + [(1024, 576)]
    full = found[sizes.index((1024, 576))]
    assert full.caption.endswith("3.0 s after the beginning")
    assert b"a note" not in full.jpeg


def test_what_was_detected_is_shown_in_detail() -> None:
    frame = Image.new("RGB", (4000, 2000), "red")
    frame.paste("blue", (1600, 800, 2400, 1200))
    out = BytesIO()
    frame.save(out, format="JPEG")
    *_, detail = pictures_of(event(objects=[SEEN]), frames(3), out.getvalue(), 4)
    assert detail.caption == "a detail of frame 3"
    with Image.open(BytesIO(detail.jpeg)) as picture:
        assert picture.size == (640, 320)  # 0.3 of each side
        assert picture.getpixel((320, 160)) == pytest.approx((0, 0, 255), abs=8)
        assert picture.getpixel((10, 10)) == pytest.approx((255, 0, 0), abs=8)


def test_boxes_of_kept_frames_and_zones_do_too_and_nearly_the_whole_frame_does_not() -> None:
    assert pictures_of(event(), frames(4, (0.1, 0.1, 0.2, 0.2)), None, 4)[-1].caption == "a detail of frame 4"
    zone = [{"name": "gate", "area": [[0.1, 0.2], [0.3, 0.2], [0.3, 0.5]]}]
    assert pictures_of(event(zones=zone), frames(4), None, 4)[-1].caption == "a detail of frame 4"
    assert len(pictures_of(event(), frames(4, (0.0, 0.0, 0.9, 0.9)), None, 4)) == 4


def test_a_damaged_picture_is_left_out_and_none_is_no_picture() -> None:
    damaged = [*frames(2), KeptFrame(102.0, b"no jpeg", ())]
    assert len(pictures_of(event(snapshot_time=None), damaged, None, 4)) == 2
    assert pictures_of(event(), [], None, 4) == ()
    assert len(pictures_of(event(), [], jpeg(), 4)) == 1
