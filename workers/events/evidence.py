"""The pictures of an event: its most probable frame, as the model saw it, and a picture that explains the event."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import structlog
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from alignment.aligners.explanation import Point
from workers.events.erasures import PICTURED_S, content_span
from workers.events.explain_picture import ExplanationCard, draw_card
from workers.types import U8, FrameBatch

SNAPSHOT, EXPLANATION = ".jpg", ".explain.png"  # endings of the pictures' names
KEEP_FRAMES = 96  # more than a window's clips and one batch, 33 MB at 448 x 256

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pictures:
    """Paths of an event's pictures; None: there is no such picture."""

    snapshot: str | None
    explanation: str | None


class PictureStore(Protocol):
    """Where pictures of events are kept: ``workers/services/state.py``, here or on the machine of the daemon."""

    def save_pictures(self, camera: str, name: str, snapshot: bytes | None, explanation: bytes | None) -> Pictures:
        """Keep an event's snapshot (JPEG) and explanation (PNG) under a name; return the paths of those that are kept.

        None leaves the one that was saved before.
        """
        ...


class EvidenceStore:
    """Keeps the last frames of one camera, and draws and saves pictures of its events; without a store nothing.

    ``stem``: what the pictures of a file's events are named after, besides their ids.
    """

    def __init__(self, store: PictureStore | None, camera: str, stem: str = "") -> None:
        self._store, self._camera = store, camera
        self._prefix = f"{stem}." if stem else ""
        self._frames: list[tuple[float, U8]] = []

    def keep(self, batch: FrameBatch) -> None:
        """Keep the frames of a batch, and drop the oldest."""
        if self._store is None:
            return
        # one assignment: the reader's thread keeps frames while another thread looks them up
        self._frames = [*self._frames, *zip(map(float, batch.pts_s), batch.frames, strict=True)][-KEEP_FRAMES:]

    def save(self, event_id: str, card: ExplanationCard, draw: bool) -> Pictures:
        """Save the most probable frame and, with ``draw``, the explaining picture; else return earlier paths.

        Drawing takes about 50 ms.
        """
        if self._store is None:
            return Pictures(None, None)
        frames = self._best_frames(card)
        shown = content_span(card.span.start, card.span.end, ((u.start_s, u.end_s) for u in card.heard))
        when = stamp(*shown) if card.live else ""
        best = max(frames, key=lambda f: f[0][1], default=None)
        snapshot = _jpeg(best[1], when) if best else None
        explanation = _drawn(card, frames, when) if draw else None
        return self._store.save_pictures(self._camera, f"{self._prefix}{event_id}", snapshot, explanation)

    def _best_frames(self, card: ExplanationCard) -> list[tuple[Point, U8]]:
        """Return the frames nearest to the most probable moments, each frame once, in order of time."""
        span = card.span
        near = [f for f in self._frames if span.start - PICTURED_S <= f[0] <= span.end + PICTURED_S]
        found: dict[float, tuple[Point, U8]] = {}
        for point in sorted(card.why.best) if near else ():
            t, frame = min(near, key=lambda f: abs(f[0] - point[0]))
            found.setdefault(t, (point, frame))
        return list(found.values())


def stamp(start: float, end: float) -> str:
    """Return the metadata of a picture: the interval that it shows, Unix seconds, by which an erasure finds it.

    For live events only.
    """
    return f"watchword {start:.3f} {end:.3f}"


def pictured_event(path: Path) -> str:
    """Return the id of the event that a picture shows: the last part of its name, before the ending."""
    return path.name.removesuffix(SNAPSHOT).removesuffix(EXPLANATION).rpartition(".")[2]


def read_stamp(path: Path) -> tuple[float, float] | None:
    """Return start and end of what a picture shows, Unix seconds.

    None for a picture without this metadata (of a file's event), and for a file that is no picture.
    """
    try:
        with Image.open(path) as picture:
            said = picture.info.get("comment", b"")
        word, start, end = (said.decode("ascii") if isinstance(said, bytes) else said).split()
        return (float(start), float(end)) if word == "watchword" else None
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for damaged pictures
        return None


def _drawn(card: ExplanationCard, frames: Sequence[tuple[Point, U8]], when: str) -> bytes | None:
    """Return the picture that explains an event; None where drawing fails, which costs no event."""
    try:
        return _png(draw_card(card, frames), when)
    except Exception as error:  # a text that no font can draw, for example
        log.warning("picture of an event cannot be drawn", camera=card.camera, error=repr(error))
        return None


def _jpeg(frame: U8, when: str) -> bytes:
    out = BytesIO()
    Image.fromarray(frame).save(out, format="JPEG", quality=85, comment=when)
    return out.getvalue()


def _png(picture: Image.Image, when: str) -> bytes:
    """Return a PNG of 256 dithered colours: 100 KB instead of 260, at the same speed."""
    colours = picture.quantize(256, Image.Quantize.FASTOCTREE)
    out = BytesIO()
    metadata = PngInfo()
    metadata.add_text("comment", when)
    dithered = picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    dithered.save(out, format="PNG", compress_level=3, pnginfo=metadata)
    return out.getvalue()
