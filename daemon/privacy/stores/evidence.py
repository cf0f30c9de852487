"""Pictures and clips of events: selected by the time in their metadata, otherwise by the time of their file."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from daemon.privacy.stores.store import EXPIRE_LIMIT, Limits, Places, looked_at, remove_files
from workers.events.erasures import Scope
from workers.events.evidence import pictured_event
from workers.events.folder import CLIP, EvidenceFolder, RemoteFolder
from workers.events.timestamps import iso
from workers.time_note import NOTE_BYTES, read_note

PRE_ROLL_S = 600.0  # at most shown before an event

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class _File(NamedTuple):
    """One file: in ``remote``, or else on this machine; ``name``: there, or its path. Written in Unix seconds."""

    written: float
    size: int
    name: str
    remote: RemoteFolder | None

    @property
    def event(self) -> str:
        """Return the id of its event."""
        return pictured_event(Path(self.name))

    @property
    def is_clip(self) -> bool:
        """Return whether it is a clip, which shows more than its event."""
        return self.name.endswith(CLIP)

    @property
    def item(self) -> str:
        """Return what ``EvidenceData.remove`` knows it by."""
        return self.name if self.remote is None else f"{self.remote.shown}/{self.name}"

    def note(self) -> tuple[float, float] | None:
        """Return start and end of what it shows, Unix seconds; None for a file's event, and where it is gone."""
        if self.remote is not None:
            found = self.remote.open(self.name)
            with found or BytesIO() as file:
                return read_note(file.read(NOTE_BYTES))
        with suppress(FileNotFoundError), Path(self.name).open("rb") as file:
            return read_note(file.read(NOTE_BYTES))
        return None


class EvidenceData:
    """``Store`` of evidence: ``CAMERA/DAY/EVENT-ID.jpg`` and other endings, in all folders that were configured.

    Earlier versions wrote ``CAMERA/ID.jpg``.
    """

    def __init__(self, places: Places) -> None:
        folders = {folder.local: folder for folder in (EvidenceFolder(places.layout.evidence), *places.evidence)}
        self._folders = list(folders.values())

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events whose pictures are in the scope; a clip alone, which shows more, does not count."""
        return {f.event for f in self._files(scope.camera) if not f.is_clip and _covers(scope, f)}

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the files of these events, and other clips that show some of the interval."""
        return [f.item for f in self._files(scope.camera) if f.event in ids or (f.is_clip and _covers(scope, f))]

    def remove(self, items: Sequence[str]) -> None:
        """Remove files, and the folders of days that are empty then."""
        remotes = [folder.remote for folder in self._folders if folder.remote is not None]
        for item in items:
            remote = next((r for r in remotes if item.startswith(f"{r.shown}/")), None)
            if remote is not None:
                remote.remove(item.removeprefix(f"{remote.shown}/"))
                continue
            remove_files([item])
            if Path(item).parents[2:] and any(Path(item).parents[2] == f.local for f in self._folders):
                with suppress(OSError):  # others are in it
                    Path(item).parent.rmdir()

    def expire(self, limits: Limits) -> int:
        """Remove files beyond the retention time, and the oldest if the total size exceeds the limit."""
        files = sorted(self._files("*"), key=lambda f: f.written)
        excess = sum(f.size for f in files) - (limits.max_bytes or 0) if limits.max_bytes else 0
        gone = []
        for file in files[:EXPIRE_LIMIT]:
            if excess <= 0 and (limits.since is None or file.written >= limits.since):
                break
            excess -= file.size
            gone.append(file.item)
        self.remove(gone)
        return len(gone)

    def _files(self, camera: str) -> Iterator[_File]:
        for folder in self._folders:
            for written, size, path in looked_at(folder.files(camera)):
                yield _File(written, size, str(path), None)
            if folder.remote is not None:
                for stored in folder.remote.files(None if camera == "*" else camera):
                    yield _File(stored.written, stored.size, stored.name, folder.remote)


def _covers(scope: Scope, file: _File) -> bool:
    if file.written < scope.since:  # an event's files are written last when it ends
        return False
    day = Path(file.name).parent.name
    if _DAY.fullmatch(day) and day > iso(scope.until + PRE_ROLL_S)[:10]:
        return False  # its event began later; files are not opened in vain, which may be far away
    return scope.overlaps(*(file.note() or (file.written, file.written)))
