"""Live events that have begun and not ended, on disk: what a stream that dies leaves open, its successor can end.

A file is watched again and finds its events' true ends; what a camera showed while nobody looked is gone.
Each event ends once. Its own end is kept here while it is being published: whoever comes next tells that very end
again, which is recognised, and no other. What a successor has ended, the one before it tells nothing more about.
"""

import json
from collections import deque
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

GIVEN_UP = 4096  # events of streams that were given up, which are remembered: a thread may hang for minutes


class OpenEvents:
    """The last revision of every live event that is open, kept in the file ``path``. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = {e.id: e for e in read_open(path)}
        self._given_up: deque[str] = deque(maxlen=GIVEN_UP)

    def publishing(self, events: Iterable[Event]) -> None:
        """Remember what is open, and its end, before it is published: so that no beginning stays without an end.

        Raise ``SpoolError`` where it cannot be kept.
        """
        open_ones = False
        for event in events:  # an update of what has ended is a late transcript's, and opens nothing
            if event.body.get("live") and (event.type == "new" or event.id in self._open):
                self._open[event.id], open_ones = event, True
        if open_ones:
            try:
                self._write()
            except OSError as error:
                text = f"open events cannot be kept in {self._path}: {error.strerror}"
                kind = SpoolFull if error.errno in FULL else SpoolError
                raise kind(text, "check the disk and the rights of the state folder") from error

    def published(self, events: Iterable[Event]) -> None:
        """Forget what has ended, once its end is safe."""
        over = {e.id for e in events if e.type == "end"} & self._open.keys()
        for identity in over:
            del self._open[identity]
        if over:
            with suppress(OSError):  # then the next start tells this end again
                self._write()

    def erase(self, ids: Set[str]) -> None:
        """Forget events as if they had never been; raise ``OSError``."""
        on_disk = {e.id for e in read_open(self._path)}  # also what has ended, if it could not be written since
        if ids & (self._open.keys() | on_disk):
            self._open = {k: e for k, e in self._open.items() if k not in ids}
            self._write()

    def ends(self, camera: str | None, unix_s: float) -> tuple[Event, ...]:
        """Return the ends of what a camera (None: any) has open: those that were being published, or made now."""
        left = (e for e in self._open.values() if camera in (None, e.camera))
        return tuple(e if e.type == "end" else interrupted(e, unix_s) for e in left)

    def give_up(self, events: Iterable[Event]) -> None:
        """Take no word more about these from whoever opened them."""
        self._given_up.extend(e.id for e in events)

    def was_given_up(self, event: Event) -> bool:
        """Whether a successor has ended it."""
        return event.id in self._given_up

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
