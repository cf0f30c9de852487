"""The file in which events are found, as their documents name it."""

import hashlib
import re
import threading
from functools import cached_property
from pathlib import Path

from workers.events.event import SourceFile

_PIECE = 1 << 20  # bytes that are hashed between two looks at a request to stop
_STEM_BYTES = 80  # of a picture's name, which has the event's id as well


class FileIdentity:
    """A file that is watched: its name for people, and its content's hash, which is computed when first needed.

    ``upload`` is its path below the folder of uploads, which events show instead of ``path``; None: it is no upload.
    """

    def __init__(
        self, path: Path, duration_s: float | None, stopping: threading.Event, upload: str | None = None
    ) -> None:
        self.file, self.name, self.is_upload = upload or str(path), path.name, upload is not None
        self._path, self._duration_s, self._stopping = path, duration_s, stopping

    @cached_property
    def source(self) -> SourceFile:
        """Return what events say of the file; the first call reads all of it, about a second for each GB."""
        duration = None if self._duration_s is None else round(self._duration_s, 3)
        return SourceFile(file=self.file, name=self.name, sha256=self._sha256(), duration=duration)

    @property
    def stem(self) -> str:
        """Return the file's name without its ending, of letters, digits, ``_`` and ``-`` only."""
        plain = re.sub(r"[^\w-]+", "_", Path(self.name).stem)
        return plain.encode()[:_STEM_BYTES].decode(errors="ignore")

    def _sha256(self) -> str | None:
        """Return the hash of the content; None if the file was taken away, or the stream has to stop meanwhile."""
        digest = hashlib.sha256()
        try:
            with self._path.open("rb") as content:
                while piece := content.read(_PIECE):
                    if self._stopping.is_set():
                        return None
                    digest.update(piece)
        except OSError:
            return None
        return digest.hexdigest()
