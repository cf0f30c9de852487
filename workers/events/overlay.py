"""What was detected and where was looked, drawn onto a snapshot: as in the picture that explains an event."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw

from workers.events.event import Event
from workers.events.explain_picture import BOX, ZONE
from workers.events.fonts import draw_text, text_width

SAME_S = 0.002  # times in a document are rounded to milliseconds
THIN = 320  # pixels of the longer side for each pixel of a line, above the first two
JPEG_QUALITY = 88
INK = "#1b1f24"

Corners = Sequence[tuple[float, float]]


def draw_overlay(jpeg: bytes, event: Event) -> bytes:
    """Return a snapshot with the outlines of the event's zones and boxes around its objects; raise ``OSError``.

    The objects are those of the snapshot's own time. The metadata of the picture is kept.
    """
    with Image.open(BytesIO(jpeg)) as opened:
        note, picture = opened.info.get("comment", b""), opened.convert("RGB")
    evidence, draw = event.evidence, ImageDraw.Draw(picture)
    width = 2 + max(picture.size) // THIN
    for zone in evidence.zones:
        _outline(draw, picture.size, zone.area, width)
    for seen in evidence.objects:
        if evidence.snapshot_time is not None and abs(seen.time - evidence.snapshot_time) <= SAME_S:
            _box(draw, picture.size, seen.box, f"{seen.name} {seen.score:.2f}", width)
    out = BytesIO()
    picture.save(out, format="JPEG", quality=JPEG_QUALITY, comment=note)
    return out.getvalue()


def _outline(draw: ImageDraw.ImageDraw, size: tuple[int, int], area: Corners, width: int) -> None:
    corners = [(x * (size[0] - 1), y * (size[1] - 1)) for x, y in area]
    draw.line([*corners, *corners[:2]], fill=ZONE, width=width, joint="curve")


def _box(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    label: str,
    width: int,
) -> None:
    left, top, right, bottom = (round(share * (side - 1)) for share, side in zip(box, (*size, *size), strict=True))
    draw.rectangle((left, top, right, bottom), outline=BOX, width=width)
    text = max(12, max(size) // 64)
    height, room = text + text // 2, text_width(label, text) + text
    above = top - height if top >= height else top
    start = max(0, min(left, size[0] - round(room)))
    draw.rectangle((start, above, start + room, above + height), fill=BOX)
    draw_text(draw, (start + text / 2, above + text + text // 8), label, text, INK)
