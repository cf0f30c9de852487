"""Disks after a crash or power loss at every call of a writer, and full disks.

The calls are Python's, and those of SQLite to its file system; SQLite's writes too, where the writer asks for it.

A killed process loses nothing that it handed to the kernel; a machine that loses power does. So each crash leaves three
folders: as the process left it (``killed``); with nothing but what was synced, names only of synced folders, which is
the least that POSIX promises (``unsynced``); and with what was not synced half there (``torn``).
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import sqlite_calls

CALLS = ("fsync", "sync", "replace", "rename", "unlink", "rmdir", "mkdir", "truncate", "ftruncate", "chmod")
VARIANTS = ("killed", "unsynced", "torn")


@dataclass(frozen=True)
class Crash:
    """One crash: before which call, what the writer had promised by then, and what the disk looks like."""

    point: str
    told: tuple[str, ...]
    variant: str
    disk: Path


def crashes(folder: Path, writer: str, before: Path | None = None, writes: bool = False) -> Iterator[Crash]:
    """Run ``write(disk, tell)`` of the source ``writer`` over and over, each time killed one call later.

    ``before``: what the disk holds at first. ``writes``: also before each write of SQLite. Fails where the writer does
    not end by itself at last.
    """
    code = textwrap.dedent(writer) + "\nfrom tests.support.disks import kill_at_every_call\nkill_at_every_call(write)\n"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", code, str(folder), str(before or ""), "writes" if writes else ""]
    subprocess.run(command, check=True, env=env, timeout=120)
    found = sorted(folder.glob("*/crash.json"), key=lambda p: int(p.parent.name))
    assert found, "the writer makes no call at which to kill it"
    for path in found:
        told = json.loads(path.read_text())
        for variant in VARIANTS:
            yield Crash(told["point"], tuple(told["told"]), variant, path.parent / variant)


def kill_at_every_call(write: Callable[[Path, Callable[[str], None]], None]) -> None:
    """The writer's process: a fork for each crash, until one ends by itself."""
    folder, before = Path(sys.argv[1]), sys.argv[2]
    for number in range(1, 1000):
        run = folder / str(number)
        disk = run / "killed"
        if before:
            shutil.copytree(before, disk)
        else:
            disk.mkdir(parents=True)
        child = os.fork()
        if child == 0:
            _write_until(number, run, write)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            shutil.rmtree(run)
            sys.exit(os.WEXITSTATUS(status))
    sys.exit("the writer does not come to an end")


def _write_until(number: int, run: Path, write: Callable[[Path, Callable[[str], None]], None]) -> None:
    disk = Disk(run / "killed")
    told: list[str] = []
    count = 0

    def crash(call: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        count += 1
        if count == number:
            for name in ("unsynced", "torn"):
                disk.copy(run / name, torn=name == "torn")
            point = f"{number}: {call}{arguments}"
            (run / "crash.json").write_text(json.dumps({"point": point, "told": told}))
            os.kill(os.getpid(), signal.SIGKILL)

    for call in CALLS:
        _hook(call, crash, disk)
    sqlite_calls.watch(
        lambda call, path: crash(f"sqlite {call}", (path,)) if call != "write" or sys.argv[3] else None, disk.synced
    )
    code = 1
    try:
        write(run / "killed", told.append)
        code = 0
    finally:
        os._exit(code)


def _hook(name: str, crash: Callable[[str, tuple[object, ...]], None], disk: "Disk") -> None:
    true_call = getattr(os, name)

    def call(*args: object, **kwargs: Any) -> object:
        if not disk.busy:
            crash(name, args)
        result = true_call(*args, **kwargs)
        if name == "fsync" and not disk.busy:
            disk.synced(int(str(args[0])))
        if name == "sync":
            disk.all_synced()
        return result

    setattr(os, name, call)


class Disk:
    """What of a folder would survive a loss of power."""

    def __init__(self, root: Path) -> None:
        self.busy = True
        self._root, self._open = root, list[Any]()
        self._bytes, self._names, self._modes = dict[Any, Any](), dict[Any, Any](), dict[Any, Any]()
        self.all_synced()
        self.busy = False

    def all_synced(self) -> None:
        """Note everything as it is."""
        for place in (self._root, *self._root.rglob("*")):
            descriptor = os.open(place, os.O_RDONLY)
            self.synced(descriptor)
            os.close(descriptor)

    def synced(self, descriptor: int) -> None:
        """Note the mode of a file or folder, and its bytes or names; its inode is kept from being used again."""
        status = os.fstat(descriptor)
        self._modes[status.st_ino] = stat.S_IMODE(status.st_mode)
        self._open.append(os.dup(descriptor))
        place = f"/proc/self/fd/{descriptor}"
        if stat.S_ISDIR(status.st_mode):
            self._names[status.st_ino] = {e.name: (e.inode(), e.is_dir()) for e in os.scandir(place)}
        else:
            self._bytes[status.st_ino] = Path(place).read_bytes()

    def copy(self, to: Path, torn: bool) -> None:
        """Make the folder as it would be found: ``torn``: with all names, and half of what was not synced."""
        self.busy = True
        if torn:
            shutil.copytree(self._root, to)
            for file in (p for p in self._root.rglob("*") if p.is_file()):
                kept, now = self._bytes.get(file.stat().st_ino, b""), file.read_bytes()
                if now != kept:  # grown at the end, or written in place
                    half = (len(kept) + len(now)) // 2 if now.startswith(kept) else len(now) // 2
                    (to / file.relative_to(self._root)).write_bytes(now[:half] + kept[half:])
        else:
            self._make(self._root.stat().st_ino, True, to)

    def _make(self, inode: int, is_folder: bool, to: Path) -> None:
        if is_folder:
            to.mkdir()
            for name, (inner, folder) in self._names.get(inode, {}).items():
                self._make(inner, folder, to / name)
        else:
            to.write_bytes(self._bytes.get(inode, b""))
        if inode in self._modes:
            to.chmod(self._modes[inode])


def fill(disk: Path, hole: int = 0) -> Path:
    """Fill a file system but for ``hole`` bytes; return the file that does it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with suppress(OSError):
            while file.write(b"0" * 4096):
                pass
        assert shutil.disk_usage(disk).free == 0
        file.truncate(file.tell() - hole)
    return ballast
