"""The pictures of an event: the frame that shows it best, and a picture that explains the event."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import sqrt
from pathlib import Path
from re import split
from typing import NamedTuple, Protocol

import numpy as np
import structlog
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from alignment.aligners.explanation import Point
from alignment.types import Span
from workers.events.erasures import PICTURED_S, content_span
from workers.events.explain_picture import ExplanationCard, draw_card
from workers.events.folder import CLIP, EXPLANATION, SNAPSHOT
from workers.events.timestamps import iso
from workers.time_note import time_note
from workers.types import U8, FrameBatch

KEEP_FRAMES = 96  # more than a window's clips and one batch, 33 MB at 448 x 256
KEEP_EVENTS = 1000  # whose names and snapshots are remembered
BETTER = 1.1  # so much more probable a moment must be to replace the snapshot of an event that is still open
SMALLEST = 0.05  # share of a side: no box counts as smaller, and a frame without one as this

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pictures:
    """Paths of an event's files; None: there is no such file. ``snapshot_time``: stream seconds, as in the evidence."""

    snapshot: str | None
    explanation: str | None
    clip: str | None = None
    snapshot_time: float | None = None


class PictureStore(Protocol):
    """Where pictures of events are kept: ``workers/services/state.py``, here or on the machine of the daemon."""

    def save_pictures(
        self, camera: str, name: str, snapshot: bytes | None, explanation: bytes | None, clip: bool = False
    ) -> Pictures:
        """Keep an event's snapshot (JPEG) and explanation (PNG) under a name; return the paths of those that are kept.

        None leaves the one that was saved before. ``clip``: return also where its clip will be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Followed:
    """An event whose clip and full frame are to be made: its files' name, its id, and its span in stream seconds.

    ``picture_s``: the time of the frame that shows it best; None: that of before. ``fallback``: that frame as the model
    saw it, JPEG, to be kept where the full one cannot be had; None: it is kept already.
    """

    name: str
    event_id: str
    start: float
    end: float
    closed: bool
    picture_s: float | None
    fallback: bytes | None


class Recorder(Protocol):
    """Makes clips and full frames later, in a thread of its own."""

    @property
    def makes_clips(self) -> bool:
        """Return whether events get clips."""
        ...

    def follow(self, event: Followed) -> None:
        """Note an event, or a later revision of it; return at once."""
        ...


class _Moment(NamedTuple):
    """A frame at stream second ``t`` for one of the most probable moments."""

    t: float
    point: Point
    frame: U8


class EvidenceStore:
    """Keeps the last frames of one camera, and draws and saves pictures of its events; without a store nothing.

    ``stem``: the name of the file that is watched; "": a live stream. ``recorder`` makes what needs the encoded stream.
    """

    def __init__(
        self, store: PictureStore | None, camera: str, stem: str = "", recorder: Recorder | None = None
    ) -> None:
        self._store, self._camera, self._stem, self._recorder = store, camera, stem, recorder
        self._frames: list[tuple[float, U8]] = []
        self._names: OrderedDict[str, str] = OrderedDict()  # by event id
        self._shown: OrderedDict[str, Point] = OrderedDict()  # by event id: the moment of its snapshot

    def keep(self, batch: FrameBatch) -> None:
        """Keep the frames of a batch, and drop the oldest."""
        if self._store is None:
            return
        # one assignment: the reader's thread keeps frames while another thread looks them up
        self._frames = [*self._frames, *zip(map(float, batch.pts_s), batch.frames, strict=True)][-KEEP_FRAMES:]

    def picture(self, t: float) -> bytes | None:
        """Return the kept frame of a live stream at Unix second ``t`` as JPEG; None if it is not kept any more."""
        found = self.frame(t)
        return None if found is None else jpeg(found, time_note(t, t))

    def frame(self, t: float) -> U8 | None:
        """Return the kept frame u8[H, W, 3] at stream second ``t``; None if it is not kept any more."""
        return next((frame for at, frame in self._frames if at == t), None)

    def near(self, span: Span) -> list[tuple[float, U8]]:
        """Return the kept frames of a span, and shortly before and after it, with their times."""
        return [f for f in self._frames if span.start - PICTURED_S <= f[0] <= span.end + PICTURED_S]

    def save(self, event_id: str, card: ExplanationCard, draw: bool) -> Pictures:
        """Save the frame that shows the event best, and with ``draw`` the explaining picture; return the paths.

        Drawing takes about 50 ms.
        """
        if self._store is None:
            return Pictures(None, None)
        moments = self._moments(card)
        shown = content_span(card.span.start, card.span.end, ((u.start_s, u.end_s) for u in card.heard))
        note = time_note(*shown) if card.live else ""
        name, before = self._name(event_id, card), self._shown.get(event_id)
        best = best_moment(moments, card)
        chosen = best if best is not None and _replaces(best.point, before, card) else None
        snapshot = jpeg(chosen.frame, note) if chosen else None
        if chosen is not None:
            self._shown[event_id] = chosen.point
            _shorten(self._shown)
        recorder, later = self._recorder, None
        wanted = _in_full(best, chosen, card) if recorder is not None else None
        if before is not None and wanted is not None:  # the full frame of before stays until there is a better one
            snapshot, later = None, snapshot
        explanation = _drawn(card, [(m.point, m.frame) for m in moments], note) if draw else None
        clip = recorder is not None and recorder.makes_clips
        saved = self._store.save_pictures(self._camera, name, snapshot, explanation, clip)
        if recorder is not None:  # only now: the full frame takes the place of what was saved
            span = card.span
            recorder.follow(Followed(name, event_id, span.start, span.end, not span.open, wanted, later))
        kept = self._shown.get(event_id) if saved.snapshot else None
        return Pictures(saved.snapshot, saved.explanation, saved.clip, kept[0] if kept else None)

    def _name(self, event_id: str, card: ExplanationCard) -> str:
        """Return the name of an event's files: the day on which it began, or its file, and the event with its id."""
        if event_id not in self._names:
            folder = iso(card.span.start)[:10] if card.live else self._stem or "file"
            self._names[event_id] = f"{folder}/{card.spec.name}-{event_id}"
            _shorten(self._names)
        return self._names[event_id]

    def _moments(self, card: ExplanationCard) -> list[_Moment]:
        """Return the frames nearest to the most probable moments, each frame once, in order of time."""
        near = self.near(card.span)
        found: dict[float, _Moment] = {}
        for point in sorted(card.why.best) if near else ():
            t, frame = min(near, key=lambda f: abs(f[0] - point[0]))
            found.setdefault(t, _Moment(t, point, frame))
        return list(found.values())


def _in_full(best: _Moment | None, chosen: _Moment | None, card: ExplanationCard) -> float | None:
    """Return the time of the frame that is to be decoded in full; of a file only the last choice is worth it."""
    wanted = chosen if card.live else best if not card.span.open else None
    return wanted.t if wanted else None


def best_moment(moments: Sequence[_Moment], card: ExplanationCard) -> _Moment | None:
    """Return the moment of the highest product of probability, sharpness and size of what was detected."""
    sharp = _relative([sharpness(m.frame) for m in moments])
    large = _relative([_largest_side(m.point, card) for m in moments])
    values = [m.point[1] * s * b for m, s, b in zip(moments, sharp, large, strict=True)]
    return moments[int(np.argmax(values))] if moments else None


def sharpness(frame: U8) -> float:
    """Return the standard deviation of a frame's Laplacian: of a blurred frame it is small."""
    grey = frame[..., 1].astype(np.float32)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.std(4 * grey[1:-1, 1:-1] - around))


def _relative(values: Sequence[float]) -> list[float]:
    most = max(values, default=0.0)
    return [v / most for v in values] if most > 0 else [1.0] * len(values)


def _largest_side(point: Point, card: ExplanationCard) -> float:
    """Return the side of a square as large as the largest object of that moment, as a share of the frame's."""
    boxes = (o.box for o in card.why.objects if o.t == point[0])
    areas = [max(0.0, right - left) * max(0.0, bottom - top) for left, top, right, bottom in boxes]
    return max(SMALLEST, sqrt(max(areas, default=0.0)))


def _replaces(point: Point, before: Point | None, card: ExplanationCard) -> bool:
    """Return whether a moment is to be shown in place of the one that is shown."""
    if before is None:
        return True
    return point[0] != before[0] and (not card.span.open or point[1] > BETTER * before[1])


def _shorten(remembered: OrderedDict[str, str] | OrderedDict[str, Point]) -> None:
    while len(remembered) > KEEP_EVENTS:
        remembered.popitem(last=False)


def pictured_event(path: Path) -> str:
    """Return the id of the event that a file shows: the last part of its name, before the ending."""
    name = path.name.removesuffix(SNAPSHOT).removesuffix(EXPLANATION).removesuffix(CLIP)
    return split("[.-]", name)[-1]


def _drawn(card: ExplanationCard, frames: Sequence[tuple[Point, U8]], note: str) -> bytes | None:
    """Return the picture that explains an event; None where drawing fails, which costs no event."""
    try:
        return _png(draw_card(card, frames), note)
    except Exception as error:  # a text that no font can draw, for example
        log.warning("picture of an event cannot be drawn", camera=card.camera, error=repr(error))
        return None


def jpeg(frame: U8, note: str = "") -> bytes:
    """Return a frame u8[H, W, 3] as JPEG, with a note of the time that it shows."""
    out = BytesIO()
    Image.fromarray(frame).save(out, format="JPEG", quality=85, comment=note)
    return out.getvalue()


def _png(picture: Image.Image, note: str) -> bytes:
    """Return a PNG of 256 dithered colours: 100 KB instead of 260, at the same speed."""
    colours = picture.quantize(256, Image.Quantize.FASTOCTREE)
    out = BytesIO()
    metadata = PngInfo()
    metadata.add_text("comment", note)
    dithered = picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    dithered.save(out, format="PNG", compress_level=3, pnginfo=metadata)
    return out.getvalue()
