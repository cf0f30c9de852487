"""The pictures of an event that a model sees: whole frames over its span, and a detail beside them."""

from collections.abc import Sequence
from io import BytesIO

import structlog
from PIL import Image

from daemon.vlm.types import Picture
from workers.events.event import Event
from workers.events.kept_frames import KeptFrame
from workers.events.overlay import SAME_S

WHOLE_PX, DETAIL_PX = 1024, 640  # longest sides
MARGIN = 0.25  # of a box's sides, around it
SMALLEST = 0.2  # share of the frame's sides that a detail has at least
LARGEST = 0.7  # a detail that is larger shows nothing that the whole does not
QUALITY = 85

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the frame's sides."""

log = structlog.get_logger()


def pictures_of(event: Event, kept: Sequence[KeptFrame], snapshot: bytes | None, most: int) -> tuple[Picture, ...]:
    """Return at most ``most`` whole pictures in order of time, and a detail if something was detected or has a zone.

    ``snapshot``: the event's picture in full (JPEG), which takes the place of the kept frame of its time.
    """
    at = event.evidence.snapshot_time
    best = at if at is not None else event.evidence.top_frames[0][0] if event.evidence.top_frames else event.start
    chosen = spread(kept, most, best)
    shown = [(frame.t, frame.jpeg) for frame in chosen]
    if snapshot is not None:
        replaced = min(shown, key=lambda one: abs(one[0] - best), default=None)
        shown = sorted([*(one for one in shown if one is not replaced), (best, snapshot)], key=lambda one: one[0])
    whole = [_whole(event, n, len(shown), t, jpeg) for n, (t, jpeg) in enumerate(shown, 1)]
    found = [picture for picture in whole if picture is not None]
    subject = min(shown, key=lambda one: abs(one[0] - best), default=None)
    detail = _detail(event, chosen, *subject, shown.index(subject) + 1) if subject else None
    return (*found, detail) if detail else tuple(found)


def spread(kept: Sequence[KeptFrame], most: int, best: float) -> list[KeptFrame]:
    """Return at most ``most`` frames, spread over the span; the one nearest to the stream second ``best`` is one."""
    if len(kept) <= most:
        return list(kept)
    last = len(kept) - 1
    places = [round(n * last / (most - 1)) for n in range(most)] if most > 1 else [0]
    wanted = min(range(len(kept)), key=lambda n: abs(kept[n].t - best))
    nearest = min(range(len(places)), key=lambda n: abs(places[n] - wanted))
    return [kept[n] for n in sorted({*places[:nearest], wanted, *places[nearest + 1 :]})]


def _whole(event: Event, n: int, of: int, t: float, jpeg: bytes) -> Picture | None:
    """Return a picture in the size that is sent; None for a damaged one."""
    content = scaled(jpeg, WHOLE_PX)
    return Picture(content, f"frame {n} of {of}, {_time(event, t)}") if content else None


def _detail(event: Event, kept: Sequence[KeptFrame], t: float, jpeg: bytes, n: int) -> Picture | None:
    """Return the part of a picture in which something was detected, or in which the event's zones lie."""
    boxes = [seen.box for seen in event.evidence.objects if abs(seen.time - t) <= SAME_S]
    boxes = boxes or [box for frame in kept if abs(frame.t - t) <= SAME_S for box in frame.boxes]
    boxes = boxes or [box for zone in event.evidence.zones if (box := _around(zone.area))]
    area = _area(boxes) if boxes else None
    content = scaled(jpeg, DETAIL_PX, area) if area else None
    return Picture(content, f"a detail of frame {n}") if content else None


def _around(corners: Sequence[tuple[float, float]]) -> Box | None:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return (min(xs), min(ys), max(xs), max(ys)) if corners else None


def _area(boxes: Sequence[Box]) -> Box | None:
    """Return what to cut out for some boxes; None: about the whole picture."""
    left, top, right, bottom = (f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max)))
    found = (*_widened(left, right), *_widened(top, bottom))
    if found[1] - found[0] > LARGEST and found[3] - found[2] > LARGEST:
        return None
    return found[0], found[2], found[1], found[3]


def _widened(low: float, high: float) -> tuple[float, float]:
    middle, half = (low + high) / 2, max(SMALLEST / 2, (high - low) * (0.5 + MARGIN))
    return max(0.0, middle - half), min(1.0, middle + half)


def scaled(jpeg: bytes, longest: int, area: Box | None = None) -> bytes | None:
    """Return a picture, or the part of it in ``area``, with sides of at most ``longest`` pixels; None: damaged.

    Nothing of a picture's metadata is kept.
    """
    try:
        with Image.open(BytesIO(jpeg)) as opened:
            if area is None:
                opened.draft("RGB", (longest, longest))  # decodes a large picture at a fraction of its size
            picture = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged pictures
        log.warning("a picture of an event cannot be read", error=repr(error))
        return None
    if area is not None:
        (left, top, right, bottom), (width, height) = area, picture.size
        picture = picture.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
    picture.thumbnail((longest, longest))
    picture.info.clear()
    out = BytesIO()
    picture.save(out, format="JPEG", quality=QUALITY)
    return out.getvalue()


def _time(event: Event, t: float) -> str:
    seconds = t - event.start
    return f"{abs(seconds):.1f} s {'before' if seconds < 0 else 'after'} the beginning"
