"""Clips as H.264 for browsers that do not play what the camera sends: one at a time, in a process of its own.

Results stay in memory for a while, as a browser asks for one clip in several parts; nothing of them is ever on disk
for longer than the transcoding takes. The clip itself must still be there whenever its result is given.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

import structlog

from daemon.api.errors import ApiError
from daemon.logs.setup import worker_environment
from workers.clock import Clock, SystemClock

KEPT_BYTES, KEPT_S = 64 << 20, 300.0
LONGEST_S = 300.0  # of one transcoding
WAIT_S = 60.0  # for another one to end
COMMAND = (sys.executable, "-P", "-m", "workers.sources.clips.transcode")

log = structlog.get_logger()
Key = tuple[str, int, int]  # path, size and time of change


class Transcoder:
    """Transcodes clips on request. From any thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._working, self._mutex = threading.Lock(), threading.Lock()
        self._results: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()

    def content(self, clip: Path) -> bytes:
        """Return a clip as H.264; raise ``ApiError`` if that fails, or if too many others wait."""
        status = clip.stat()
        key = (str(clip), status.st_size, status.st_mtime_ns)
        if (known := self._known(key)) is not None:
            return known
        if not self._working.acquire(timeout=WAIT_S):
            raise ApiError(503, "transcoder_busy", "other clips are being transcoded; try again", {"retry-after": "30"})
        try:
            if (known := self._known(key)) is None:
                known = _transcoded(clip)
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


def _transcoded(clip: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
        target = Path(folder) / "clip.mp4"
        try:
            done = subprocess.run(
                [*COMMAND, str(clip), str(target)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=_environment(),
                timeout=LONGEST_S,
                process_group=0,  # Ctrl-C in a terminal is for the daemon
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ApiError(503, "transcoding_failed", f"transcoding took more than {LONGEST_S:.0f} s") from None
        if done.returncode or not target.is_file():
            error = done.stderr.decode(errors="replace")[-500:]
            log.warning("a clip cannot be transcoded", clip=clip.name, error=error)
            raise ApiError(503, "transcoding_failed", "the clip cannot be transcoded; the daemon's log says why")
        return target.read_bytes()


def _environment() -> dict[str, str]:
    return {**os.environ, **worker_environment(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
