"""The protocol of all sources, and of a function that builds one."""

from collections.abc import Callable, Iterator
from typing import Protocol

from workers.clock import Clock
from workers.errors import ClipUnavailable
from workers.types import CameraSpec, Clip, FrameSpec, SourceInfo, SourceItem, SourceSnapshot

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

    def hold(self, since: float | None) -> None:
        """Keep what a live source receives from stream second ``since`` on, for clips, as far as there is memory.

        None: only the latest ``CameraSpec.ring``. A file keeps nothing: it is read again.
        """
        ...

    def clip(self, start: float, end: float) -> Clip:
        """Return a video of stream seconds ``start`` to ``end``; raise ``ClipUnavailable`` or another ``SourceError``.

        It begins with the key frame before ``start`` and may end early. It may be asked for from any thread until
        ``close``, which it may take seconds to make; it delays no item.
        """
        ...

    def picture(self, t: float) -> bytes:
        """Return the whole frame at stream second ``t`` as JPEG; see ``clip``."""
        ...

    def close(self) -> None:
        """Release all resources. ``items`` calls it at its end."""
        ...


class WithoutClips:
    """The part of a ``Source`` of which no clips can be made."""

    def hold(self, since: float | None) -> None:
        """Keep nothing."""

    def clip(self, start: float, end: float) -> Clip:
        """Raise ``ClipUnavailable``."""
        raise ClipUnavailable("no clips can be made of this kind of source")

    def picture(self, t: float) -> bytes:
        """Raise ``ClipUnavailable``."""
        raise ClipUnavailable("no clips can be made of this kind of source")


SourceBuilder = Callable[[CameraSpec, FrameSpec, Clock], Source]
