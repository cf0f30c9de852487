"""The common interface of the stores of all kinds of data."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.events.erasures import Scope
from workers.events.folder import EvidenceFolder
from workers.publish.redis.client import RedisSettings
from workers.state_layout import StateLayout

EXPIRE_LIMIT = 2000  # files that one pass removes of one kind: about a second


@contextmanager
def nothing_halted(scope: Scope) -> Iterator[None]:
    """``Places.halted`` of a place without uploads."""
    yield None


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one daemon's data.

    ``redis`` None: none but the embedded server, which does not run; ``embedded``: it is that one.
    ``erase_logged(ids, before_s)`` erases events from the event log.
    ``halted(scope)``: a block in which no upload of the scope is watched; yields until when one was, Unix seconds.
    ``former``: other streams of the embedded server; see ``daemon.privacy.stores.old_streams``.
    ``evidence``: where pictures and clips go, besides the state folder.
    """

    layout: StateLayout
    redis: RedisSettings | None
    embedded: bool
    erase_logged: Callable[[frozenset[str], float], int]
    halted: Callable[[Scope], AbstractContextManager[float | None]] = nothing_halted
    former: tuple[RedisSettings, ...] = ()
    evidence: tuple[EvidenceFolder, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one kind: nothing from before ``since``, Unix seconds (None: no limit), at most ``max_bytes``."""

    since: float | None
    max_bytes: int | None = None


class Store(Protocol):
    """One kind of data. Methods raise ``OSError`` or ``WatchwordError`` if they fail."""

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in a scope that this data contains."""
        ...

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return the items of a scope or of these events."""
        ...

    def remove(self, items: Sequence[str]) -> None:
        """Remove items that ``items`` returned."""
        ...

    def expire(self, limits: Limits) -> int:
        """Remove items beyond their limits, a bounded number per call; return their number."""
        ...


def files_by_age(paths: Iterable[Path]) -> list[tuple[float, int, Path]]:
    """Return modification time, size and path of existing files, oldest first."""
    return sorted(looked_at(paths))


def looked_at(paths: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    """Yield modification time, size and path of existing files."""
    for path in paths:
        with suppress(FileNotFoundError):
            status = path.stat()
            yield status.st_mtime, status.st_size, path


def remove_files(paths: Iterable[str | Path]) -> None:
    """Remove files; missing files are ignored."""
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)
