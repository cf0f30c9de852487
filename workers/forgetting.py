"""What a camera is told to forget, and the memory of it: events that were erased are not told a second time."""

import hashlib
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from alignment.durable import replacing
from workers.types import Event

PICTURED_S = 1.0  # no picture of an event is from longer before or after it
CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scope:
    """One camera from ``since`` to ``until``, Unix seconds. Raise ``ValueError`` for what is no camera's name."""

    camera: str
    since: float
    until: float

    def __post_init__(self) -> None:
        """Refuse a name that could lead out of the folder of pictures."""
        if not CAMERA_NAME.fullmatch(self.camera):
            raise ValueError("a camera's name has 1 to 64 letters, digits, _ and -")

    def overlaps(self, start: float, end: float) -> bool:
        """Return whether any moment from ``start`` to ``end`` lies in it."""
        return start <= self.until and end >= self.since

    def covers(self, event: Event) -> bool:
        """Return whether a revision belongs to it: by what it tells of, or by when a file was watched."""
        if event.camera != self.camera:
            return False
        if event.body.get("live"):
            return self.overlaps(*told_span(event.start, event.end, _words(event)))
        with suppress(KeyError, TypeError, ValueError):
            at = datetime.fromisoformat(event.body["produced_at"]).timestamp()
            return self.overlaps(at, at)
        return False


def told_span(start: float, end: float, words: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return from when to when an event tells of something: near it was its picture, and utterances are told whole."""
    spans = [(start - PICTURED_S, end + PICTURED_S), *words]
    return min(first for first, _ in spans), max(last for _, last in spans)


def _words(event: Event) -> list[tuple[float, float]]:
    """Return when an event's words were said; none of an event that is none of ours."""
    with suppress(KeyError, TypeError, ValueError):
        return [(float(word["start"]), float(word["end"])) for word in event.body["evidence"]["words"]]
    return []


def hashed(event_id: str) -> str:
    """Return what may be kept of an erased event's id."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:32]


class Erasures:
    """Scopes with the hashed ids of what was in them, one JSON object a line of ``path``; None: none.

    ``forbids`` may be asked while another process adds. Damaged lines are said and left out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._scopes: list[Scope] = []
        self._ids: set[str] = set()

    def forbids(self, camera: str, event_id: str, live_span: tuple[float, float] | None) -> bool:
        """Return whether an event, live from and to these Unix seconds, was erased or would have been."""
        if live_span is not None and self.reach(camera, *live_span):
            return True
        self._refresh()
        return hashed(event_id) in self._ids

    def reach(self, camera: str, start: float, end: float) -> bool:
        """Return whether any moment of a live camera from ``start`` to ``end``, Unix seconds, was erased."""
        self._refresh()
        return any(s.camera == camera and s.overlaps(start, end) for s in self._scopes)

    def add(self, scope: Scope, ids: Iterable[str]) -> None:
        """Remember an erasure for good; raise ``OSError``."""
        if self._path is None:
            return
        line = json.dumps(asdict(scope) | {"ids": sorted(map(hashed, ids))})
        before = self._path.read_text(encoding="ascii") if self._path.exists() else ""
        with replacing(self._path, private=True) as part:
            part.write_text(f"{before}{line}\n", encoding="ascii")

    def _refresh(self) -> None:
        """Read the file again where it has changed."""
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
                told = json.loads(line)
                self._scopes.append(Scope(told["camera"], float(told["since"]), float(told["until"])))
                self._ids.update(map(str, told["ids"]))
            except (ValueError, TypeError, KeyError) as error:
                log.error("an erasure cannot be read", path=str(self._path), error=repr(error))
