"""Live events that have begun and not ended, on disk: what a stream that dies leaves open, its successor can end.

A file is watched again and finds its events' true ends; what a camera showed while nobody looked is gone.
"""

import json
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from alignment.durable import replacing
from workers.errors import SpoolError
from workers.publish.spool import FULL, SpoolFull
from workers.types import Event

log = structlog.get_logger()


class OpenEvents:
    """The last revision of every live event that is open, kept in the file ``path``. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = {e.id: e for e in read_open(path)}

    def opened(self, events: Iterable[Event]) -> None:
        """Remember what is open before it is published: rather an end too many than a beginning without one.

        Raise ``SpoolError`` where it cannot be kept.
        """
        live = {e.id: e for e in events if e.body.get("live") and e.type != "end"}
        if live:
            self._open |= live
            try:
                self._write()
            except OSError as error:
                text = f"open events cannot be kept in {self._path}: {error.strerror}"
                kind = SpoolFull if error.errno in FULL else SpoolError
                raise kind(text, "check the disk and the rights of the state folder") from error

    def ended(self, events: Iterable[Event]) -> None:
        """Forget what has ended, once its end is safe."""
        over = {e.id for e in events if e.type == "end"} & self._open.keys()
        for identity in over:
            del self._open[identity]
        if over:
            with suppress(OSError):  # then it is ended once more, by the next start
                self._write()

    def erase(self, ids: Set[str]) -> None:
        """Forget events as if they had never been; raise ``OSError``."""
        if ids & self._open.keys():
            self._open = {k: e for k, e in self._open.items() if k not in ids}
            self._write()

    def of(self, camera: str | None) -> tuple[Event, ...]:
        """Return what a camera (None: any) has open."""
        return tuple(e for e in self._open.values() if camera in (None, e.camera))

    def _write(self) -> None:
        with replacing(self._path, private=True) as part:
            part.write_text(json.dumps([asdict(e) for e in self._open.values()]), encoding="ascii")


def interrupted(event: Event, unix_s: float) -> Event:
    """Return the end of an event of which no more is known than its last revision."""
    at = datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = {"type": "end", "revision": event.revision + 1}
    return replace(event, **head, body=event.body | head | {"produced_at": at, "interrupted": True})  # type: ignore[arg-type]  # of one dict


def read_open(path: Path) -> Sequence[Event]:
    """Return the events in a file of open ones; nothing where it cannot be read, with a warning."""
    try:
        return [Event(**document) for document in json.loads(path.read_text(encoding="ascii"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        log.warning("events left open by the last run cannot be read, and will not be ended", error=str(error))
        return []
