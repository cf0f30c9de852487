"""The protocol of all sources, and of a function that builds one."""

from collections.abc import Callable, Iterator
from typing import Protocol

from workers.clock import Clock
from workers.types import CameraSpec, FrameSpec, SourceInfo, SourceItem, SourceSnapshot

RETRY_S = 5.0  # longest wait between reconnects: frames of a live source that returns arrive within 15 s


class Source(Protocol):
    """Frames and audio of one camera or file, sampled and resized while decoding.

    A *file* is lossless: ``items`` waits for its reader and ends at the end of the file. A *live* source keeps the
    freshest frames: it drops and counts what the reader does not take in time. It reconnects by itself, yields an
    ``Interruption`` first, and ends only when stopped.
    """

    def open(self) -> SourceInfo:
        """Open and probe the input; raise a ``SourceError``. ``items`` calls it if needed."""
        ...

    def items(self) -> Iterator[SourceItem]:
        """Yield frames and audio, each in order of time, interleaved."""
        ...

    def stop(self) -> None:
        """Make ``items`` end soon. May be called from any thread, more than once."""
        ...

    def snapshot(self) -> SourceSnapshot:
        """Return the counters. May be called from any thread."""
        ...

    def close(self) -> None:
        """Release all resources. ``items`` calls it at its end."""
        ...


SourceBuilder = Callable[[CameraSpec, FrameSpec, Clock], Source]
