"""One picture that shows people why an event was reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image, ImageDraw

from alignment.aligners.explanation import BEST_CLIPS, Explanation, Point, SeenObject
from alignment.types import MODALITIES, Span
from workers.events.fonts import ELLIPSIS, draw_text, shortened, text_width, wrapped
from workers.events.timeline_picture import FAINT, INK, MUTED, SCORE, draw_timeline
from workers.events.timestamps import clock, clock_range
from workers.types import U8, Areas, EventSpec, Utterance

WIDTH, MARGIN, GAP = 960, 32, 24  # pixels
HEADER, TIMELINE, THUMB, CAPTION, ROW = 112, 230, 206, 26, 24
COLOURS = {"vision": SCORE, "speech": "#d97706", "sound": "#059669"}
WORDS = "#7c3aed"
BOX, ZONE = "#facc15", "#22d3ee"
HEARD_LINES = 3  # of each utterance


@dataclass(frozen=True, slots=True)
class ExplanationCard:
    """The content of the picture."""

    camera: str
    live: bool
    spec: EventSpec
    span: Span
    why: Explanation
    heard: Sequence[Utterance]
    areas: Areas = ()  # of the frames, in which it was looked for
    read_as: tuple[str, ...] = ()  # what each wording was taken to mean


def draw_card(card: ExplanationCard, frames: Sequence[tuple[Point, U8]]) -> Image.Image:
    """Return the picture, RGB; ``frames`` are those of the most probable moments in order of time."""
    rows = max(len(card.why.words), len(MODALITIES), 2 * len(card.heard), 1)
    pictures = [_thumbnail(frame, [o for o in card.why.objects if o.t == t], card.areas) for (t, _), frame in frames]
    tallest = max((p.height for p in pictures), default=0)
    thumbs = tallest + CAPTION + GAP if frames else 0
    height = HEADER + TIMELINE + GAP + thumbs + 30 + min(rows, 8) * ROW + MARGIN
    canvas = Image.new("RGB", (WIDTH, height), "white")
    draw = ImageDraw.Draw(canvas)
    _header(draw, card)
    y = HEADER
    draw_timeline(canvas, (MARGIN, y, WIDTH - MARGIN, y + TIMELINE), card.span, card.why, card.live)
    y += TIMELINE + GAP
    for (point, _), picture in zip(frames, pictures, strict=True):
        _thumb(canvas, (y, y + tallest), point, picture, card)
    y += thumbs
    column = (WIDTH - 2 * MARGIN - 2 * GAP) // 3
    shares = list(zip(MODALITIES, card.span.shares, strict=True))
    _bars(draw, (MARGIN, y), column, "Attention over words", [(w, x, WORDS) for w, x in card.why.words])
    _bars(draw, (MARGIN + column + GAP, y), column, "Judged by", [(m, x, COLOURS[m]) for m, x in shares])
    _heard(draw, (MARGIN + 2 * (column + GAP), y), column, height - MARGIN, card)
    return canvas


def _header(draw: ImageDraw.ImageDraw, card: ExplanationCard) -> None:
    span, spec = card.span, card.spec
    score = f"{span.score:.2f}"
    at = WIDTH - MARGIN - text_width(score, 30)
    draw_text(draw, (at, 50), score, 30, SCORE)
    draw_text(draw, (WIDTH - MARGIN - text_width("score", 13), 70), "score", 13, MUTED)
    room = at - MARGIN - GAP
    draw_text(draw, (MARGIN, 48), shortened(spec.name, 26, room), 26, INK)
    described = "“" + "” or “".join(spec.describe) + "”"
    draw_text(draw, (MARGIN, 74), shortened(described, 16, room), 16, INK)
    start, end = clock_range(span.start, span.end, card.live)
    state = ", still open" if span.open else ""
    where = " · ".join((card.camera, *(zone.name for zone in spec.zones)))
    when = f"{where} · {start} to {end} ({span.end - span.start:.1f} s{state})"
    draw_text(draw, (MARGIN, 96), shortened(when, 14, room), 14, MUTED)


def _thumbnail(frame: U8, objects: Sequence[SeenObject], areas: Areas) -> Image.Image:
    """Return a small picture of a frame, with the outlines of areas, and a box around each of these objects."""
    picture = Image.fromarray(frame)
    picture.thumbnail((THUMB, THUMB))
    draw = ImageDraw.Draw(picture)
    for area in areas:
        corners = [(x * (picture.width - 1), y * (picture.height - 1)) for x, y in area]
        draw.line([*corners, corners[0]], fill=ZONE, width=2)
    for seen in objects:
        left, top, right, bottom = seen.box
        box = (left * picture.width, top * picture.height, right * picture.width - 1, bottom * picture.height - 1)
        draw.rectangle(box, outline=BOX, width=2)
    return picture


def _thumb(canvas: Image.Image, y: tuple[int, int], point: Point, picture: Image.Image, card: ExplanationCard) -> None:
    """Draw one picture between top and bottom ``y``, numbered as on the timeline."""
    number = sorted(card.why.best).index(point)
    x = MARGIN + number * (WIDTH - 2 * MARGIN - THUMB) // (BEST_CLIPS - 1)
    canvas.paste(picture, (x, y[0]))
    t, p = point
    text = f"{number + 1} · {clock(t, card.live).rpartition(' ')[2]} · {p:.2f}"
    draw_text(ImageDraw.Draw(canvas), (x, y[1] + 18), text, 13, MUTED)


def _bars(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], width: int, title: str, rows: Sequence[tuple[str, float, str]]
) -> None:
    """Draw a titled list of labels, bars and shares 0..1."""
    x, y = at
    draw_text(draw, (x, y + 14), title, 15, INK)
    if not rows:
        draw_text(draw, (x, y + 30 + 15), "no words to look at", 13, MUTED)
    label, number = 92, 42
    for i, (name, share, colour) in enumerate(rows):
        top = y + 30 + i * ROW
        draw_text(draw, (x, top + 15), shortened(name, 13, label - 8), 13, INK)
        left, right = x + label, x + width - number
        draw.rounded_rectangle((left, top + 4, right, top + 17), 3, fill=FAINT)
        if share * (right - left) >= 1:
            draw.rounded_rectangle((left, top + 4, left + share * (right - left), top + 17), 3, fill=colour)
        text = f"{share:.0%}"
        draw_text(draw, (x + width - text_width(text, 13), top + 15), text, 13, MUTED)


def _heard(draw: ImageDraw.ImageDraw, at: tuple[int, int], width: int, bottom: int, card: ExplanationCard) -> None:
    """Draw what was said, as much of it as there is room for."""
    x, y = at
    draw_text(draw, (x, y + 14), "Heard", 15, INK)
    texts = (f"“{u.text.strip()}” ({u.confidence:.0%})" for u in card.heard)
    room = (bottom - y - 30) // 18
    lines = list(islice((line for text in texts for line in wrapped(text, 13, width, HEARD_LINES)), room + 1))
    lines = lines if len(lines) <= room else [*lines[: room - 1], ELLIPSIS]
    for i, line in enumerate(lines or ["nothing"]):
        draw_text(draw, (x, y + 45 + i * 18), line, 13, INK if lines else MUTED)
