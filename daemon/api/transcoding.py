"""Clips as H.264 for browsers that do not play what the camera sends, and parts of uploads: one process at a time.

Results stay in memory for a while, as a browser asks for one clip in several parts; nothing of them is ever on disk
for longer than the transcoding takes. The clip itself must still be there whenever its result is given.
"""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from daemon.api.errors import ApiError
from daemon.runtime.media_process import run_media
from workers.clock import Clock, SystemClock
from workers.errors import ClipUnavailable

KEPT_BYTES, KEPT_S = 64 << 20, 300.0
PICTURE_S = 1.0  # read of a file for one frame
LONGEST_S = 300.0  # of one transcoding
WAIT_S = 60.0  # for another one to end

log = structlog.get_logger()
Command = tuple[Sequence[str], Path, Sequence[str]]  # a module, what it writes, and its arguments behind that
Key = tuple[object, ...]  # path, size, time of change, and which part of it


class Transcoder:
    """Makes clips and pictures on request. From any thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._working, self._mutex = threading.Lock(), threading.Lock()
        self._results: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()

    def content(self, clip: Path) -> bytes:
        """Return a clip as H.264; raise ``ApiError`` if that fails, or if too many others wait."""
        return self._made(clip, (), lambda folder: (["transcode", str(clip)], folder / "clip.mp4", ()))

    def excerpt(self, file: Path, start: float, end: float, blur_faces: bool) -> bytes:
        """Return a part of a file as MP4, stream seconds; raise ``ApiError`` as ``content`` does."""
        return self._part(file, start, end, blur_faces, "clip.mp4")

    def picture(self, file: Path, at: float, blur_faces: bool) -> bytes:
        """Return the frame of a file at a stream second as JPEG; raise ``ApiError`` as ``content`` does."""
        return self._part(file, at, at + PICTURE_S, blur_faces, "frame.jpg")

    def still(self, file: Path, at: float, blur_faces: bool) -> bytes | None:
        """Return what ``picture`` does; None where that fails."""
        try:
            return self.picture(file, at, blur_faces)
        except (ApiError, OSError):
            return None

    def _part(self, file: Path, start: float, end: float, blur_faces: bool, name: str) -> bytes:
        more = ("blurred",) if blur_faces else ()
        asked = ["excerpt", str(file), repr(start), repr(end)]
        return self._made(file, (start, end, name, blur_faces), lambda folder: (asked, folder / name, more))

    def _made(self, file: Path, part: Key, command: Callable[[Path], Command]) -> bytes:
        status = file.stat()
        key = (str(file), status.st_size, status.st_mtime_ns, *part)
        if (known := self._known(key)) is not None:
            return known
        if not self._working.acquire(timeout=WAIT_S):
            raise ApiError(503, "transcoder_busy", "other clips are being transcoded; try again", {"retry-after": "30"})
        try:
            if (known := self._known(key)) is None:
                known = _run(file.name, command)
                self._keep(key, known)
            return known
        finally:
            self._working.release()

    def _known(self, key: Key) -> bytes | None:
        with self._mutex:
            oldest = self._clock.monotonic() - KEPT_S
            for old in [k for k, (at, _) in self._results.items() if at < oldest]:
                del self._results[old]
            found = self._results.get(key)
            return found[1] if found else None

    def _keep(self, key: Key, content: bytes) -> None:
        with self._mutex:
            self._results[key] = (self._clock.monotonic(), content)
            while len(self._results) > 1 and sum(len(one) for _, one in self._results.values()) > KEPT_BYTES:
                self._results.popitem(last=False)


def _run(name: str, command: Callable[[Path], Command]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
        arguments, target, more = command(Path(folder))
        try:
            run_media(*arguments, str(target), *more, longest_s=LONGEST_S)
        except ClipUnavailable as error:
            log.warning("a clip cannot be transcoded", clip=name, error=error.message)
            text = "the clip cannot be transcoded; the daemon's log says why"
            raise ApiError(503, "transcoding_failed", text) from None
        return target.read_bytes()
