"""Uploads that wait for a title, a paragraph, tags and chapters: the latest first."""

from collections.abc import Set

from daemon.captions.files import FileMaterial
from daemon.captions.types import upload_owner
from daemon.privacy.stores.uploads import UploadRecords
from daemon.summary.library import Library


class UndescribedUploads:
    """Finds what of the uploads is not described. From one thread."""

    def __init__(self, records: UploadRecords, library: Library) -> None:
        self._records, self._library = records, library
        self._passed: set[str] = set()  # of which there is no index

    def next(self, known: Set[str]) -> FileMaterial | None:
        """Return the latest upload whose owner is not ``known``, and of which there is an index."""
        for record in sorted(self._records.all(), key=lambda record: -record.since):
            owner = upload_owner(record.since)
            if record.until is None or owner in known or owner in self._passed:
                continue
            if (material := self._library.material(record)) is not None:
                return material
            self._passed.add(owner)
        return None

    def has(self, owner: str) -> bool:
        """Return whether an upload is still there, and was not forgotten."""
        return any(upload_owner(record.since) == owner for record in self._records.all())
