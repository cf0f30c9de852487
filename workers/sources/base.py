"""The Protocol of every source."""

from collections.abc import Iterator
from typing import Protocol

from workers.types import SourceInfo, SourceItem, SourceSnapshot

RETRY_S = 5.0  # the longest wait between tries to connect: a live source that returns is seen again within 15 s


class Source(Protocol):
    """Frames and sound of one camera or file, sampled and resized while decoding.

    A *file* is lossless: ``items`` waits for its reader and ends at the end of the file. A *live* source keeps the
    freshest frames: what the reader does not take in time is dropped and counted. It reconnects by itself, with an
    ``Interruption`` first, and ends only when stopped.
    """

    def open(self) -> SourceInfo:
        """Open and probe; raise a ``SourceError``. Also done by the first ``items``."""
        ...

    def items(self) -> Iterator[SourceItem]:
        """Yield frames and sound in rising time per kind, interleaved by time."""
        ...

    def stop(self) -> None:
        """Make ``items`` end soon. May be called from any thread, more than once."""
        ...

    def snapshot(self) -> SourceSnapshot:
        """Return the counters. May be called from any thread."""
        ...

    def close(self) -> None:
        """Free everything. Also done at the end of ``items``."""
        ...
