"""Moves evidence from the machine of the daemon to a remote folder, in a thread that nobody waits for."""

import threading
import time
from pathlib import Path

import structlog

from workers.errors import EvidenceUnreachable
from workers.events.folder import EvidenceFolder

FIRST_S, LONGEST_S = 2.0, 60.0  # wait after a failure
SETTLED_S = 2.0  # a picture may be replaced by a better one soon after it was written

log = structlog.get_logger()


class Uploader:
    """Uploads whatever lies in the local folder, oldest first, and then removes it there; what fails is tried again."""

    def __init__(self, folder: EvidenceFolder) -> None:
        self._folder = folder
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="evidence-upload", daemon=True).start()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    def _run(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                left = self._upload_all()
            except (EvidenceUnreachable, OSError) as error:
                if not failures:
                    log.warning("evidence cannot be uploaded, and waits on this machine", error=str(error))
                time.sleep(min(FIRST_S * 2**failures, LONGEST_S))
                failures = min(failures + 1, 10)
                continue
            if failures:
                log.info("evidence is uploaded again")
            failures = 0
            self._wake.wait(SETTLED_S if left else None)

    def _upload_all(self) -> bool:
        """Upload all files that are settled; return whether others are left."""
        remote, left = self._folder.remote, False
        assert remote is not None
        for written, path in sorted((_written(path), path) for path in self._folder.files()):
            if time.time() - written < SETTLED_S:
                left = True
                continue
            remote.put(path.relative_to(self._folder.local).as_posix(), path)
            if _written(path) == written:  # else it was replaced meanwhile
                path.unlink(missing_ok=True)
        return left


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
