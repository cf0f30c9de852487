"""Pictures of moments, as small as a model takes them: snapshots of events, frames of uploads, and thumbnails."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image

from daemon.asking.retrieval import Clue, Finder
from workers.errors import EvidenceUnreachable
from workers.events.folder import EvidenceFolder

SIDE = 640  # pixels of the longer side
QUALITY = 80
MAX_BYTES = 32 << 20
Still = Callable[[Path, float, bool], bytes | None]
"""Returns the frame of a file at a stream second as JPEG, with its faces hidden if so asked; None where it cannot."""


def picture_of(clue: Clue, finder: Finder, evidence: EvidenceFolder, still: Still, blur_faces: bool) -> bytes | None:
    """Return the picture of a moment as JPEG; None where none is kept, or it is damaged."""
    moment, content = clue.moment, None
    if clue.event is not None and (location := clue.event.evidence.snapshot) and "\0" not in location:
        content = _read(location, evidence)
    if content is None and moment.upload and (file := finder.upload_of(moment.camera, moment.key)) is not None:
        content = still(file, moment.peak, blur_faces)
    if content is None and moment.thumbnail is not None:
        content = finder.thumbnail(moment.camera, moment.key, moment.thumbnail)
    return content and _small(content)


def _read(location: str, evidence: EvidenceFolder) -> bytes | None:
    try:
        file = evidence.open(location)
        if file is None:
            return None
        with file:
            return file.read(MAX_BYTES)
    except (EvidenceUnreachable, OSError):
        return None


def _small(jpeg: bytes) -> bytes | None:
    try:
        with Image.open(BytesIO(jpeg), formats=("JPEG",)) as picture:
            picture.draft("RGB", (SIDE, SIDE))
            small = picture.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        out = BytesIO()
        small.save(out, format="JPEG", quality=QUALITY)
        return out.getvalue()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what Pillow raises for damaged pictures
        return None
