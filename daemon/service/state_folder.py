"""The state folder: one daemon at a time, a version of its layout, and steps from older versions to this one.

What is where: ``workers.state_layout``. Commands that only read need no lock, but ``require_known``.
"""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import structlog

from alignment.file_io import PART_SUFFIX, make_folder, replacing, sync_path
from daemon.config.errors import UnusableSetting
from daemon.logs.setup import scrub
from workers.file_lock import LockHeld, hold_lock
from workers.state_layout import StateLayout

log = structlog.get_logger()


class StateUnusable(UnusableSetting):
    """The state folder cannot be created, written or read."""

    code = "state_unusable"
    remedy = "set state_dir to a local folder that the daemon's user can write"


class StateInUse(UnusableSetting):
    """Another daemon uses the state folder."""

    code = "state_in_use"
    remedy = "stop the other daemon, or set another state_dir"


class StateNewer(UnusableSetting):
    """A newer version of Watchword wrote the state folder."""

    code = "state_newer"
    remedy = "install the newer version again, or set another state_dir"


def _close_to_others(layout: StateLayout) -> None:
    """0 to 1: evidence and budgets were readable for everybody; what a crash had left half written lay about."""
    for folder in (f for f in layout.folders if f.is_dir()):
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                with suppress(FileNotFoundError):
                    path.chmod(0o700 if path.is_dir() else 0o600)
    for old in (*layout.budgets.glob("*.new"), *layout.redis.glob("*.new")):
        old.unlink(missing_ok=True)
    os.sync()  # thousands of changes, synced once


def _without_spool(layout: StateLayout) -> None:
    """1 to 2: the event log takes the place of the spool. A spool in which events wait is refused."""
    spool, done = layout.root / "spool", layout.root / "spool.done"
    if _waits(spool):
        text = f"events wait in {spool}, which this version of Watchword does not read"
        hint = "let the version before publish them, then update; or move that folder away, and lose these events"
        raise StateUnusable(text, hint)
    shutil.rmtree(done, ignore_errors=True)
    if spool.is_dir():  # its events are published; renamed first: without its cursor they would seem to wait
        os.replace(spool, done)
        sync_path(layout.root)
        shutil.rmtree(done)


def _waits(spool: Path) -> bool:
    """Return whether a spool has events that are not published, or live events that are open."""
    cursor, open_events = spool / "cursor", spool / "open.json"
    published = int(cursor.read_text(encoding="ascii") or "0") if cursor.exists() else 0
    if open_events.exists() and open_events.read_text(encoding="ascii").strip() not in ("", "[]"):
        return True
    for segment in spool.glob("*.seg"):
        for line in segment.read_bytes().splitlines():
            with suppress(ValueError, TypeError, KeyError):  # a damaged line
                if json.loads(line[9:])["seq"] > published:
                    return True
    return False


# The step at index n leads from version n to n + 1. A crash may repeat a step: it must stand that.
MIGRATIONS: tuple[Callable[[StateLayout], None], ...] = (_close_to_others, _without_spool)
VERSION = len(MIGRATIONS)


class StateFolder:
    """One daemon's hold on its state folder, from ``open`` to ``close`` or the end of the process."""

    def __init__(self, root: Path) -> None:
        self.layout = StateLayout(root)
        self._lock: int | None = None

    def open(self) -> StateLayout:
        """Make, lock and bring up to date; raise ``StateUnusable``, ``StateInUse`` or ``StateNewer``."""
        root = self.layout.root
        try:
            make_folder(root, 0o700)
            self._lock = _locked(self.layout.lock)
            _migrate(self.layout)
            for folder in self.layout.folders:
                make_folder(folder, 0o700)
            _remove_parts(self.layout)
        except OSError as error:
            self.close()
            text = f"the state folder {root} cannot be used: {error.filename or root}: {error.strerror or error}"
            raise StateUnusable(text, "set state_dir to a local folder that this user may write to") from error
        except UnusableSetting:
            self.close()
            raise
        return self.layout

    def close(self) -> None:
        """Let another daemon in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> StateLayout:
        return self.open()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def require_known(root: Path) -> None:
    """Raise ``StateNewer`` or ``StateUnusable`` where what lies in ``root`` must not be read by this version."""
    try:
        _version(StateLayout(root))
    except OSError as error:
        raise StateUnusable(f"{root} cannot be read: {error.strerror or error}", "check its rights") from error


def _locked(path: Path) -> int:
    """Return a descriptor that holds the lock of the state folder; raise ``StateInUse``."""
    note = f"process {os.getpid()} ({scrub(' '.join(sys.argv))}) since {time.strftime('%FT%TZ', time.gmtime())}"
    try:
        return hold_lock(path, note)
    except LockHeld as held:
        text = f"the state folder {path.parent} is in use by {held.note or 'another process'}"
        raise StateInUse(text, "stop that one, or give this one a state_dir of its own") from None


def _remove_parts(layout: StateLayout) -> None:
    """Remove what a crash left half written; what still ends of a killed daemon may be faster, or fail to write."""
    for places in (layout.root.glob(f".*{PART_SUFFIX}"), *(f.rglob(f".*{PART_SUFFIX}") for f in layout.folders)):
        for left in places:
            left.unlink(missing_ok=True)


def _migrate(layout: StateLayout) -> None:
    version = _version(layout)
    new = not any(folder.exists() for folder in layout.folders)
    for step in range(version, VERSION):
        MIGRATIONS[step](layout)
        with replacing(layout.schema, private=True) as part:
            part.write_text(f"{step + 1}\n", encoding="ascii")
        log.log(
            logging.DEBUG if new else logging.INFO,
            "state folder brought up to date",
            folder=str(layout.root),
            version=step + 1,
        )


def _version(layout: StateLayout) -> int:
    """Return the version of what lies there: 0 for a folder that is new or from before there were versions."""
    try:
        version = int(layout.schema.read_text(encoding="ascii"))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except ValueError:
        text = f"{layout.schema} does not say a version"
        raise StateUnusable(text, f"write {VERSION} into it if nothing else wrote to that folder") from None
    if version > VERSION:
        text = f"the state folder {layout.root} has version {version}, this program knows up to {VERSION}"
        raise StateNewer(text, "install the newer version again, or set another state_dir")
    return version
