"""What the stores of all kinds of data have in common."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.forgetting import Scope
from workers.publish.redis_settings import RedisSettings
from workers.state_layout import StateLayout

EXPIRE_LIMIT = 2000  # files that one pass removes of one kind: about a second


@contextmanager
def nothing_halted(scope: Scope) -> Iterator[None]:
    """Be the ``Places.halted`` of where no upload is watched."""
    yield None


@dataclass(frozen=True, slots=True)
class Places:
    """Where one daemon's data lies.

    ``redis`` None: none but the embedded server, which does not run; ``embedded``: it is that one.
    ``erase_waiting(ids, before_s)`` erases events that wait for it.
    ``halted(scope)``: a block in which no upload of the scope is watched; yields until when one was, Unix seconds.
    ``former``: other streams of the embedded server; see ``daemon.privacy.former``.
    ``elsewhere``: there may be more on other machines, which is not reached from here.
    """

    layout: StateLayout
    redis: RedisSettings | None
    embedded: bool
    erase_waiting: Callable[[frozenset[str], float], int]
    halted: Callable[[Scope], AbstractContextManager[float | None]] = nothing_halted
    former: tuple[RedisSettings, ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What may stay: nothing from before ``since``, Unix seconds (None: no limit), nor more than ``max_bytes``."""

    since: float | None
    max_bytes: int | None = None


class Store(Protocol):
    """One kind of data. Methods raise ``OSError`` or ``WatchwordError`` where they cannot do their work."""

    def event_ids(self, scope: Scope) -> set[str]:
        """Return the ids of events in a scope, as far as this data tells them."""
        ...

    def items(self, scope: Scope, ids: frozenset[str]) -> list[str]:
        """Return what of a scope, or of these events, is here."""
        ...

    def remove(self, items: Sequence[str]) -> None:
        """Remove what ``items`` has returned."""
        ...

    def expire(self, limits: Limits) -> int:
        """Remove what is past its limits, a bounded part of it; return how many pieces."""
        ...


def files_by_age(paths: Iterable[Path]) -> list[tuple[float, int, Path]]:
    """Return modification time, size and path of files, oldest first, without those that are gone meanwhile."""
    return sorted(_looked_at(paths))


def _looked_at(paths: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    for path in paths:
        with suppress(FileNotFoundError):
            status = path.stat()
            yield status.st_mtime, status.st_size, path


def remove_files(paths: Iterable[str | Path]) -> None:
    """Remove files; those that are gone already do not matter."""
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)
