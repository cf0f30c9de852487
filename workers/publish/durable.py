"""The few file operations that the spool and the embedded server share."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from alignment.durable import replacing
from workers.errors import SpoolError

_POLL_S = 0.05


def lock_folder(folder: Path, wait_s: float = 0.0) -> int:
    """Become the folder's only owner; return a descriptor whose closing (or this process's end) gives it up.

    Raise ``SpoolError`` when another owner, in this process or another, has it and keeps it for ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not _locked(descriptor):
        if time.monotonic() >= deadline:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            text = f"spool {folder} is in use by process {owner or 'unknown'}"
            raise SpoolError(text, "stop the other daemon, or give this one a state folder of its own")
        time.sleep(_POLL_S)
    with suppress(OSError):  # only for people: a full disk must not keep the owner out
        os.truncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_file(path: Path, text: str) -> None:
    """Write a file for its owner's eyes in one step. Not synced: what it says can be found out again."""
    with replacing(path, private=True, sync=False) as part:
        part.write_text(text, encoding="ascii")


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write everything to an unbuffered file, which may take it in parts."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
