"""The picture of why an event was reported: does it draw, and does it show what it is given."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFont

from alignment.aligners.explanation import Explanation, SeenObject
from alignment.types import Span
from workers.events import fonts
from workers.events.explain_picture import WIDTH, ExplanationCard, draw_card
from workers.types import U8, EventSpec, Utterance, Zone

TRACK = tuple((float(t), 0.9 if 10 <= t < 20 else 0.1) for t in range(30))
BEST = ((12.0, 0.95), (17.0, 0.9))
SPAN = Span("cat", 9.5, 19.5, 0.93, False, (0.75, 0.25, 0.0), TRACK[10:20], 0.5)
WHY = Explanation((("cat", 0.8), ("counter", 0.2)), TRACK, BEST)
HEARD = (Utterance(11.0, 13.0, "get that cat off the counter", 0.9, "en"),)
SHEET = ExplanationCard("door", False, EventSpec("cat", ("a cat on the counter",)), SPAN, WHY, HEARD)


def frame(colour: tuple[int, int, int], width: int = 224, height: int = 224) -> U8:
    return np.full((height, width, 3), colour, np.uint8)


RED_FRAME = frame((200, 20, 20))
FRAMES = [(BEST[0], RED_FRAME), (BEST[1], frame((20, 20, 200)))]


def pixels(card: ExplanationCard, frames: list = FRAMES) -> np.ndarray:
    return np.asarray(draw_card(card, frames))


def changed(card: ExplanationCard) -> np.ndarray:
    """Tell which rows and columns of the picture differ from the plain one: bool[H, W]."""
    return (pixels(SHEET) != pixels(card)).any(axis=2)


def test_the_frames_are_in_it_as_they_were() -> None:
    shown = pixels(SHEET)
    assert shown.shape[1] == WIDTH
    assert (shown == (200, 20, 20)).all(axis=2).sum() == (shown == (20, 20, 200)).all(axis=2).sum() > 200 * 200


def test_detected_objects_have_a_box_in_the_frame_that_shows_them() -> None:
    seen = SeenObject(BEST[1][0], 0, 0.9, (0.25, 0.25, 0.75, 0.75))
    boxed = pixels(replace(SHEET, why=replace(WHY, objects=(seen,))))
    yellow = (boxed == (250, 204, 21)).all(axis=2)
    blue = (pixels(SHEET) == (20, 20, 200)).all(axis=2)
    assert yellow.sum() == (yellow & blue).sum()  # within the second frame
    rows, columns = np.flatnonzero(yellow.any(axis=1)), np.flatnonzero(yellow.any(axis=0))
    side = np.flatnonzero(blue.any(axis=0)).size
    assert np.ptp(rows) == np.ptp(columns) == pytest.approx(side / 2, abs=2)


def test_without_frames_the_picture_is_lower() -> None:
    assert pixels(SHEET, []).shape[0] < pixels(SHEET).shape[0] - 200
    wide = [(BEST[0], frame((9, 9, 9), 224, 126))]
    assert pixels(SHEET, []).shape[0] < pixels(SHEET, wide).shape[0] < pixels(SHEET).shape[0]


@pytest.mark.parametrize(
    "other",
    [
        replace(SHEET, why=replace(WHY, words=(("cat", 0.2), ("counter", 0.8)))),
        replace(SHEET, why=replace(WHY, track=tuple((t, p / 2) for t, p in TRACK))),
        replace(SHEET, span=replace(SPAN, end=15.0)),
        replace(SHEET, span=replace(SPAN, threshold=0.7)),
        replace(SHEET, span=replace(SPAN, threshold=None)),
        replace(SHEET, span=replace(SPAN, shares=(0.25, 0.75, 0.0))),
        replace(SHEET, span=replace(SPAN, open=True)),
        replace(SHEET, heard=(replace(HEARD[0], text="get that dog off the counter"),)),
        replace(SHEET, spec=replace(SHEET.spec, describe=("a cat",))),
        replace(SHEET, camera="yard"),
    ],
)
def test_all_that_is_told_can_be_seen(other: ExplanationCard) -> None:
    assert changed(other).sum() > 20


def test_the_threshold_is_where_it_belongs() -> None:
    line = np.flatnonzero((pixels(SHEET) == (220, 38, 38)).all(axis=2).sum(axis=1) > 300)
    higher = replace(SHEET, span=replace(SPAN, threshold=0.75))
    raised = np.flatnonzero((pixels(higher) == (220, 38, 38)).all(axis=2).sum(axis=1) > 300)
    assert len(line) == len(raised) == 1
    assert 30 < line[0] - raised[0] < 60  # a quarter of the chart's height


@pytest.mark.parametrize("text", ["一只猫在桌子上", "Ein Käse – naïve", "кошка на столе", "😀\x1b[31m\u200b\ud800"])
@pytest.mark.parametrize("installed", [True, False])
def test_any_script_is_drawn_with_any_fonts(text: str, installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed:
        monkeypatch.setattr(fonts, "_installed", lambda: ())
    other = ExplanationCard(
        "door",
        True,
        EventSpec(text, (text,)),
        SPAN,
        replace(WHY, words=((text, 1.0),)),
        (replace(HEARD[0], text=text),),
    )
    assert changed(other).any()


def test_chinese_comes_in_a_font_that_has_it() -> None:
    """Where any such font is installed, different characters look different, and not like the box of the missing."""
    if not any("cjk" in n.lower() or "droid" in n.lower() or "wqy" in n.lower() for n in fonts._installed()):
        pytest.skip("no Chinese font is installed")
    drawn = [font for font, _ in fonts._runs("猫狗", 18)]
    assert [bytes(drawn[0].getmask(c)) for c in "猫"] != [bytes(drawn[0].getmask(c)) for c in "狗"]
    assert bytes(drawn[0].getmask("猫")) != bytes(drawn[0].getmask(fonts.NO_CHARACTER))


def test_without_fonts_accents_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_installed", lambda: ())
    assert [run for _, run in fonts._runs("Käse 猫", 18)] == ["Kase 猫"]


@pytest.mark.parametrize("text", ["word " * 300, "字" * 900, "x" * 900])
def test_long_texts_stay_within_their_room(text: str) -> None:
    assert fonts.text_width(fonts.shortened(text, 14, 200), 14) <= 200
    lines = fonts.wrapped(text, 14, 200, 3)
    assert len(lines) == 3
    assert max(fonts.text_width(line, 14) for line in lines) <= 200
    many = replace(SHEET, heard=(replace(HEARD[0], text=text),) * 50, spec=EventSpec(text, (text,) * 9))
    assert pixels(many).shape[0] < 1000


def test_short_lines_are_broken_between_words() -> None:
    assert fonts.wrapped("one two three four", 14, fonts.text_width("one two th", 14), 5) == ["one two", "three four"]
    assert fonts.wrapped("", 14, 100, 3) == [""]


def test_a_span_of_one_clip_and_one_that_is_older_than_the_window() -> None:
    one = replace(SHEET, why=Explanation((), ((12.0, 0.9),), ((12.0, 0.9),)))
    assert isinstance(draw_card(one, []), Image.Image)
    old = replace(SHEET, span=replace(SPAN, start=-500.0))
    assert changed(old).any()


def test_pillows_font_is_one_that_scales() -> None:
    assert isinstance(ImageFont.load_default(14), ImageFont.FreeTypeFont)


def test_zones_are_outlined_in_every_frame() -> None:
    area = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
    spec = replace(SHEET.spec, zones=(Zone("counter", area),))
    outlined = pixels(replace(SHEET, spec=spec, areas=spec.areas))
    cyan = (outlined == (34, 211, 238)).all(axis=2)
    inside = [(pixels(SHEET) == colour).all(axis=2) for colour in ((200, 20, 20), (20, 20, 200))]
    assert [(cyan & frame).sum() for frame in inside] == [cyan.sum() / 2] * 2
    side = np.flatnonzero(inside[0].any(axis=0)).size
    assert np.ptp(np.flatnonzero(cyan.any(axis=1))) == pytest.approx(side / 2, abs=3)
