"""A lock on a file, held by one owner at a time.

The kernel releases the lock when the owner's process ends, however that process ends.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

_POLL_S = 0.05
_NOTE_BYTES = 4096


class LockHeld(Exception):
    """Another owner holds the lock. ``note`` is what that owner wrote into the file."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


def hold_lock(path: Path, note: str, wait_s: float = 0.0) -> int:
    """Lock a file and return its descriptor; closing the descriptor releases the lock.

    The file is created if it is missing, and ``note`` is written into it, for people. Wait up to ``wait_s`` for an
    owner in this process or another one; then raise ``LockHeld``. Raise ``OSError`` if the file cannot be opened.
    """
    deadline = time.monotonic() + wait_s
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise LockHeld(os.pread(descriptor, _NOTE_BYTES, 0).decode("utf-8", "replace").strip())
            time.sleep(_POLL_S)
    except BaseException:
        os.close(descriptor)
        raise
    with suppress(OSError):  # only for people: a full disk must not keep the owner out
        os.truncate(descriptor, 0)
        os.write(descriptor, note.encode())
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
