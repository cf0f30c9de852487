"""Durable, atomic file writes: after a crash or power loss a file has its old content or its new one, never a part.

A new file is written beside the old one, synced and renamed over it; then the folder is synced. See fsync(2), and
Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), for why each step is needed.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART_SUFFIX = ".part"  # of files that are being written; a crash may leave one behind, which nobody reads
NAME_BYTES = 255  # longest name of a file on Linux' usual file systems


@contextmanager
def replacing(path: Path, private: bool = False, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path; replace ``path`` by it if the block succeeds, else leave ``path`` as it was.

    ``private``: only the owner may read the file. ``sync=False``: atomic, but the new content may be lost in a crash.
    """
    part = path.with_name(_part_name(path.name))
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(part, flags, 0o600 if private else 0o666))
        yield part
        if sync:
            sync_path(part)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    if sync:
        sync_path(path.parent)


def _part_name(name: str) -> str:
    """Return the name of a file while it is written; a name that leaves no room for more is replaced by its hash."""
    part = f".{name}.{os.getpid()}{PART_SUFFIX}"
    if len(os.fsencode(part)) <= NAME_BYTES:
        return part
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()}.{os.getpid()}{PART_SUFFIX}"


def append_line(path: Path, line: str) -> None:
    """Append a line to a file that only its owner may read; a crash can damage this line only."""
    known = path.exists()
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "a+b") as file:
        size = file.seek(0, os.SEEK_END)
        torn = size and os.pread(file.fileno(), 1, size - 1) != b"\n"
        file.write(f"{chr(10) if torn else ''}{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    if not known:
        sync_path(path.parent)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and its missing parents durably."""
    if folder.exists():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(mode, exist_ok=True)
    sync_path(folder.parent)


def sync_path(path: Path) -> None:
    """Sync a file's content, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shortened(name: str, size: int) -> str:
    """Return a file's name in at most ``size`` bytes: of a longer one the end is replaced by a hash of all of it."""
    raw = os.fsencode(name)
    if len(raw) <= size:
        return name
    end = size - 1 - len(digest := hashlib.sha256(raw).hexdigest()[:8])
    while raw[end] & 0xC0 == 0x80:  # within a character in UTF-8
        end -= 1
    return f"{os.fsdecode(raw[:end])}~{digest}"
