"""What an event can show: the picture of its best moment, as the model saw it."""

import os
from pathlib import Path

import structlog
from PIL import Image

from alignment.types import Span
from workers.types import U8, FrameBatch

KEEP_FRAMES = 96  # more than a window's clips and one batch, about 14 MB at 224 px

log = structlog.get_logger()


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

    def snapshot(self, event_id: str, span: Span) -> str | None:
        """Save the frame nearest to the span's highest score; None where none is near, or it cannot be kept."""
        frames = [f for f in self._frames if span.start - 1 <= f[0] <= span.end + 1]
        if self._folder is None or not frames:
            return None
        best = max(span.track, key=lambda x: x[1])[0]
        _, frame = min(frames, key=lambda f: abs(f[0] - best))
        path = self._folder / f"{event_id}.jpg"
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame).save(part, format="JPEG", quality=85)
            os.replace(part, path)
        except OSError as error:  # a full disk: the event is worth more than its picture
            log.warning("picture of an event cannot be kept", path=str(path), error=str(error))
            return None
        return str(path)
