"""Files that a crash cannot tear: after a loss of power each is whole and as written last, or as it was before.

A new file is written beside the old one, synced, given the old one's name, and the folder is synced: see fsync(2),
and Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), for what each step is needed for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART_SUFFIX = ".part"  # of files that are being written; one that a crash left is nobody's


@contextmanager
def replacing(path: Path, private: bool = False, sync: bool = True) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` when the block ends well; else nothing changes.

    ``private``: for its owner's eyes only. ``sync`` False: for what may be lost, but never read half.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{PART_SUFFIX}")
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


def append_line(path: Path, line: str) -> None:
    """Add a line to a file for its owner's eyes only; a crash may tear this line, but none before or after it."""
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
    """Make a folder and those above it that are missing, so that they are still there after a loss of power."""
    if folder.exists():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(mode, exist_ok=True)
    sync_path(folder.parent)


def sync_path(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
