"""What an event can show: its best moment, as the model saw it, and a picture that explains it."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import structlog
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from alignment.durable import make_folder, replacing
from alignment.explaining import Point
from workers.explain_picture import Sheet, draw_sheet
from workers.forgetting import PICTURED_S, told_span
from workers.types import U8, FrameBatch

KEEP_FRAMES = 96  # more than a window's clips and one batch, about 14 MB at 224 px

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where an event's pictures are; None: there is none."""

    snapshot: str | None
    explanation: str | None


class EvidenceStore:
    """The last frames of one camera, and a folder for the pictures of its events."""

    def __init__(self, folder: Path | None, camera: str) -> None:
        self._folder = folder / camera if folder else None
        self._frames: list[tuple[float, U8]] = []

    def keep(self, batch: FrameBatch) -> None:
        """Remember a batch's frames; the oldest are forgotten."""
        if self._folder is None:
            return
        # one assignment: the reader's thread keeps while another looks up
        self._frames = [*self._frames, *zip(map(float, batch.pts_s), batch.frames, strict=True)][-KEEP_FRAMES:]

    def save(self, event_id: str, sheet: Sheet, draw: bool) -> Pictures:
        """Save the best frame and, with ``draw``, the picture that explains the event; else name earlier ones.

        Drawing takes about 50 ms.
        """
        if self._folder is None:
            return Pictures(None, None)
        frames = self._best_frames(sheet)
        snapshot, explanation = self._folder / f"{event_id}.jpg", self._folder / f"{event_id}.explain.png"
        told = told_span(sheet.span.start, sheet.span.end, ((u.start_s, u.end_s) for u in sheet.heard))
        when = stamp(*told) if sheet.live else ""
        best = max(frames, key=lambda f: f[0][1], default=None)
        kept = self._keep(snapshot, lambda: _jpeg(best[1], when)) if best else snapshot.exists()
        drawn = self._keep(explanation, lambda: _png(draw_sheet(sheet, frames), when)) if draw else explanation.exists()
        return Pictures(str(snapshot) if kept else None, str(explanation) if drawn else None)

    def _best_frames(self, sheet: Sheet) -> list[tuple[Point, U8]]:
        """Return the frames nearest to the best moments, each frame once, in order of time."""
        span = sheet.span
        near = [f for f in self._frames if span.start - PICTURED_S <= f[0] <= span.end + PICTURED_S]
        found: dict[float, tuple[Point, U8]] = {}
        for point in sorted(sheet.why.best) if near else ():
            t, frame = min(near, key=lambda f: abs(f[0] - point[0]))
            found.setdefault(t, (point, frame))
        return list(found.values())

    def _keep(self, path: Path, render: Callable[[], bytes]) -> bool:
        """Write a picture at once or not at all; return whether it was written."""
        try:
            make_folder(path.parent, 0o700)
            with replacing(path, private=True) as part:
                part.write_bytes(render())
        except Exception as error:  # a full disk, or a text that no font can draw: the event is worth more
            log.warning("picture of an event cannot be kept", path=str(path), error=repr(error))
            return False
        return True


def stamp(start: float, end: float) -> str:
    """Return what a picture says inside about when that was which it shows, so that it can be forgotten.

    Unix seconds; of live events only.
    """
    return f"watchword {start:.3f} {end:.3f}"


def read_stamp(path: Path) -> tuple[float, float] | None:
    """Return from when to when that was which a picture shows.

    None where it does not say: of a file's event, or no picture.
    """
    try:
        with Image.open(path) as picture:
            said = picture.info.get("comment", b"")
        word, start, end = (said.decode("ascii") if isinstance(said, bytes) else said).split()
        return (float(start), float(end)) if word == "watchword" else None
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for damaged pictures
        return None


def _jpeg(frame: U8, when: str) -> bytes:
    out = BytesIO()
    Image.fromarray(frame).save(out, format="JPEG", quality=85, comment=when)
    return out.getvalue()


def _png(picture: Image.Image, when: str) -> bytes:
    """Return a PNG of 256 dithered colours: 100 KB instead of 260, at the same speed."""
    colours = picture.quantize(256, Image.Quantize.FASTOCTREE)
    out = BytesIO()
    told = PngInfo()
    told.add_text("comment", when)
    dithered = picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    dithered.save(out, format="PNG", compress_level=3, pnginfo=told)
    return out.getvalue()
