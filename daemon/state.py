"""The state folder: one daemon at a time, a version of its layout, and steps from older versions to this one.

What is where: ``workers.state_layout``. Commands that only read need no lock, but ``require_known``.
"""

import fcntl
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import structlog

from alignment.durable import PART_SUFFIX, make_folder, replacing
from daemon.config.errors import UnusableSetting
from daemon.logs import scrub
from workers.state_layout import StateLayout

log = structlog.get_logger()


class StateUnusable(UnusableSetting):
    """The state folder cannot be made, written to, or read."""

    code = "state_unusable"


class StateInUse(UnusableSetting):
    """Another daemon has the state folder."""

    code = "state_in_use"


class StateNewer(UnusableSetting):
    """A newer version of this program wrote the state folder."""

    code = "state_newer"


def _close_to_others(layout: StateLayout) -> None:
    """0 to 1: evidence and budgets were readable for everybody; what a crash had left half written lay about."""
    for folder in (f for f in layout.folders if f.is_dir()):
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                with suppress(FileNotFoundError):
                    path.chmod(0o700 if path.is_dir() else 0o600)
    for old in (*layout.budgets.glob("*.new"), *layout.spool.glob("*.new"), *layout.redis.glob("*.new")):
        old.unlink(missing_ok=True)
    os.sync()  # thousands of changes, synced once


# The step at index n leads from version n to n + 1. A crash may repeat a step: it must stand that.
MIGRATIONS: tuple[Callable[[StateLayout], None], ...] = (_close_to_others,)
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
    """Return a descriptor that holds the lock; the kernel gives it up when this process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        me = {"pid": os.getpid(), "command": scrub(" ".join(sys.argv)), "since": time.strftime("%FT%TZ", time.gmtime())}
        with suppress(OSError):  # only for people: a full disk must not keep the daemon from emptying its spool
            os.truncate(descriptor, 0)
            os.write(descriptor, json.dumps(me).encode())
    except BlockingIOError:
        owner = _owner(os.pread(descriptor, 4096, 0))
        os.close(descriptor)
        text = f"the state folder {path.parent} is in use by {owner}"
        raise StateInUse(text, "stop that one, or give this one a state_dir of its own") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _remove_parts(layout: StateLayout) -> None:
    """Remove what a crash left half written; what still ends of a killed daemon may be faster, or fail to write."""
    for places in (layout.root.glob(f".*{PART_SUFFIX}"), *(f.rglob(f".*{PART_SUFFIX}") for f in layout.folders)):
        for left in places:
            left.unlink(missing_ok=True)


def _owner(written: bytes) -> str:
    """Return who holds the lock, as far as it has said so."""
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(written)
        return f"process {told['pid']} ({told['command']}) since {told['since']}"
    return "another process"


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
