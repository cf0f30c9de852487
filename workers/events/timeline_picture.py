"""Probability along time as a chart: the scores, the span, the threshold, the best moments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from alignment.aligners.explanation import Explanation, Point
from alignment.types import Span
from workers.events.fonts import draw_text, text_width
from workers.events.timestamps import clock

INK, MUTED, FAINT = "#1b1f24", "#6b7280", "#e5e7eb"
SCORE, SCORE_AREA, SPAN, THRESHOLD = "#2563eb", "#93b4f5", "#e4edfd", "#dc2626"
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
TICKS = 7
SMOOTH = 3  # Pillow's lines have jagged edges: draw larger, shrink

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels


@dataclass(frozen=True, slots=True)
class _Scale:
    """From stream seconds and probabilities to pixels of ``box``."""

    box: Box
    first: float
    last: float

    def x(self, t: float) -> float:
        left, _, right, _ = self.box
        return left + (right - left) * min(1.0, max(0.0, (t - self.first) / (self.last - self.first)))

    def y(self, p: float) -> float:
        _, top, _, bottom = self.box
        return bottom - (bottom - top) * min(1.0, max(0.0, p))


def draw_timeline(canvas: Image.Image, box: Box, span: Span, why: Explanation, live: bool) -> None:
    """Draw the chart with its legend above and times below it, all within ``box``."""
    left, top, right, bottom = box
    draw = ImageDraw.Draw(canvas)
    times = [t for t, _ in why.track]
    first, last = (times[0], times[-1]) if times[-1] > times[0] else (times[0] - 0.5, times[0] + 0.5)
    scale = _Scale((left + 34, top + 30, right, bottom - 24), first, last)
    draw.rectangle((scale.x(span.start), scale.box[1], scale.x(span.end), scale.box[3]), fill=SPAN)
    _grid(draw, scale, live)
    _curve(canvas, scale, why.track)
    if span.threshold is not None:
        _dashes(draw, scale, span.threshold)
    for number, (t, p) in enumerate(sorted(why.best), 1):
        _marker(draw, (scale.x(t), scale.y(p)), str(number))
    _legend(draw, (scale.box[0], top + 12), span.threshold)


def _grid(draw: ImageDraw.ImageDraw, scale: _Scale, live: bool) -> None:
    left, _, right, bottom = scale.box
    for p in (0.0, 0.5, 1.0):
        draw.line((left, scale.y(p), right, scale.y(p)), fill=FAINT)
        draw_text(draw, (left - 34, scale.y(p) + 4), f"{p:.1f}", 12, MUTED)
    for t in _ticks(scale.first, scale.last):
        x = scale.x(t)
        draw.line((x, bottom, x, bottom + 4), fill=MUTED)
        text = clock(t, live)
        text = text.partition(" ")[2].removesuffix("Z") if live else text.removesuffix(".0")
        width = text_width(text, 12)
        draw_text(draw, (min(max(x - width / 2, left), right - width), bottom + 18), text, 12, MUTED)


def _ticks(first: float, last: float) -> Iterator[float]:
    """Yield round times between ``first`` and ``last``."""
    step = next((s for s in STEPS_S if (last - first) / s <= TICKS), STEPS_S[-1])
    t = -(-first // step) * step
    while t <= last:
        yield t
        t += step


def _curve(canvas: Image.Image, scale: _Scale, track: Sequence[Point]) -> None:
    """Draw the scores as a line with the area below it."""
    left, top, right, bottom = scale.box
    size = (right - left, bottom - top)
    points = [((scale.x(t) - left) * SMOOTH, (scale.y(p) - top) * SMOOTH) for t, p in track]
    area = [(points[0][0], size[1] * SMOOTH), *points, (points[-1][0], size[1] * SMOOTH)]
    for colour, shape in ((SCORE_AREA, area), (SCORE, None)):
        mask = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
        pen = ImageDraw.Draw(mask)
        if shape:
            pen.polygon(shape, fill=140)
        else:
            pen.line(points, fill=255, width=2 * SMOOTH, joint="curve")
        canvas.paste(colour, (left, top), mask.reduce(SMOOTH))


def _dashes(draw: ImageDraw.ImageDraw, scale: _Scale, p: float) -> None:
    left, _, right, _ = scale.box
    for x in range(left, right, 10):
        draw.line((x, scale.y(p), min(x + 5, right), scale.y(p)), fill=THRESHOLD)


def _marker(draw: ImageDraw.ImageDraw, at: tuple[float, float], label: str) -> None:
    x, y = at
    draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill="white", outline=SCORE, width=2)
    draw_text(draw, (x - text_width(label, 11) / 2, y + 4), label, 11, INK)


def _legend(draw: ImageDraw.ImageDraw, at: tuple[float, float], threshold: float | None) -> None:
    x, y = at
    entries = [("probability", SCORE), ("the event", SPAN)]
    entries += [(f"threshold {threshold:.4g}", THRESHOLD)] if threshold is not None else []
    for text, colour in entries:
        height = 10 if colour == SPAN else 2
        draw.rectangle((x, y - 4 - height / 2, x + 16, y - 4 + height / 2), fill=colour)
        draw_text(draw, (x + 22, y), text, 13, MUTED)
        x += 22 + text_width(text, 13) + 24
