"""Erasures on request: the events they cover, and their record, so that erased events are not published again."""

import hashlib
import json
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from alignment.file_io import replacing
from workers.events.event import Event

PICTURED_S = 1.0  # the pictures of an event are at most so long before or after it
CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scope:
    """An interval of one camera: ``since`` to ``until``, Unix seconds. Raise ``ValueError`` for an invalid name."""

    camera: str
    since: float
    until: float

    def __post_init__(self) -> None:
        """Refuse a name that could lead out of the folder of pictures."""
        if not CAMERA_NAME.fullmatch(self.camera):
            raise ValueError("a camera's name has 1 to 64 letters, digits, _ and -")

    def overlaps(self, start: float, end: float) -> bool:
        """Return whether the time from ``start`` to ``end`` overlaps the interval."""
        return start <= self.until and end >= self.since

    def covers(self, event: Event) -> bool:
        """Return whether the interval covers a revision: its content if live, else the time of processing."""
        if event.camera != self.camera:  # an event that is made of others tells about them
            parts = [part for part in event.parts if part.camera == self.camera]
            return event.live and any(self.overlaps(*content_span(part.start, part.end, ())) for part in parts)
        if event.live:
            words = ((word.start, word.end) for word in event.evidence.words)
            return self.overlaps(*content_span(event.start, event.end, words))
        with suppress(ValueError):  # the format of a date, but none in the calendar
            at = datetime.fromisoformat(event.produced_at).timestamp()
            return self.overlaps(at, at)
        return False


def content_span(start: float, end: float, words: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return start and end of an event's content: pictures may be near the event, and utterances are kept whole."""
    spans = [(start - PICTURED_S, end + PICTURED_S), *words]
    return min(first for first, _ in spans), max(last for _, last in spans)


def hashed(event_id: str) -> str:
    """Return the hash by which an erased event is recognised; the id itself is not kept."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:32]


class Erasures:
    """The erasures so far, with the hashed ids of erased events: one JSON object per line of ``path``; None: no record.

    ``forbids`` and ``reach`` may be called from any thread, and while another process adds. Damaged lines are logged
    and left out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()  # guards what follows
        self._stamp: tuple[int, int] | None = None
        self._scopes: list[Scope] = []
        self._ids: set[str] = set()

    def forbids(self, camera: str, event_id: str, live_span: tuple[float, float] | None) -> bool:
        """Return whether an event was erased or lies in an erased interval; ``live_span``: Unix s, None for a file."""
        if live_span is not None and self.reach(camera, *live_span):
            return True
        with self._lock:
            self._refresh()
            return hashed(event_id) in self._ids

    def reach(self, camera: str, start: float, end: float) -> bool:
        """Return whether an erased interval of a live camera overlaps ``start`` to ``end``, Unix seconds."""
        with self._lock:
            self._refresh()
            return any(s.camera == camera and s.overlaps(start, end) for s in self._scopes)

    def add(self, scope: Scope, ids: Iterable[str]) -> None:
        """Record an erasure permanently; raise ``OSError``."""
        if self._path is None:
            return
        line = json.dumps(asdict(scope) | {"ids": sorted(map(hashed, ids))})
        before = self._path.read_text(encoding="ascii") if self._path.exists() else ""
        with replacing(self._path, private=True) as part:
            part.write_text(f"{before}{line}\n", encoding="ascii")

    def _refresh(self) -> None:
        """Read the file again if it has changed."""
        try:
            status = self._path.stat() if self._path else None
        except FileNotFoundError:
            return
        stamp = (status.st_mtime_ns, status.st_size) if status else None
        if stamp == self._stamp or self._path is None:
            return
        self._stamp, self._scopes, self._ids = stamp, [], set()
        for line in self._path.read_text(encoding="ascii").splitlines():
            try:
                entry = json.loads(line)
                self._scopes.append(Scope(entry["camera"], float(entry["since"]), float(entry["until"])))
                self._ids.update(map(str, entry["ids"]))
            except (ValueError, TypeError, KeyError) as error:
                log.error("an erasure cannot be read", path=str(self._path), error=repr(error))
