"""Pictures and videos that messages carry."""

from dataclasses import dataclass, field

from workers.errors import EvidenceUnreachable
from workers.events.event import Event
from workers.events.folder import EvidenceFolder

MAX_PICTURE_BYTES, MAX_CLIP_BYTES = 4 << 20, 16 << 20


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of a message: its name for the receiver, its media type and its content."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class EvidenceReader:
    """Reads the files that events name, below the folder of evidence only."""

    def __init__(self, folder: EvidenceFolder) -> None:
        self._folder = folder

    def snapshot(self, event: Event) -> Picture | None:
        """Return the picture of an event; None if it is not there, or too large for a message."""
        content = self._read(event.evidence.snapshot, MAX_PICTURE_BYTES)
        return Picture(f"{event.camera}-{event.id[:8]}.jpg", "image/jpeg", content) if content else None

    def clip(self, event: Event) -> Picture | None:
        """Return the video of an event; None if it is not there, or too large for a message."""
        content = self._read(event.evidence.clip, MAX_CLIP_BYTES)
        return Picture(f"{event.camera}-{event.id[:8]}.mp4", "video/mp4", content) if content else None

    def has_clip(self, event: Event) -> bool:
        """Return whether the clip of an event is there."""
        return self._read(event.evidence.clip, 0) is not None

    def _read(self, location: str | None, limit: int) -> bytes | None:
        """Return the content of a file, as far as ``limit`` allows; None if it is not there, or larger."""
        if location is None:
            return None
        try:
            file = self._folder.open(location)
            if file is None:
                return None
            with file:
                content = file.read(limit + 1) if limit else b""
        except (OSError, ValueError, EvidenceUnreachable):  # a message is not held back by a picture
            return None
        return content if len(content) <= limit else None
