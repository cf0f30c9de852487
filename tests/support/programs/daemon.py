"""The daemon as a user runs it: a process with a configuration file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import yaml
from typer.testing import CliRunner

from daemon.commands.events.commands import app as events_app
from tests.support.programs.forking import Forked

WATCHWORD = (sys.executable, "-m", "daemon")
ENDLESS = "synthetic://pattern?seconds=3600&width=320&height=240&fps=5&pace=1"
RED = {"red": {"describe": "a red picture"}}
PARCEL = {"parcel": {"describe": "someone talks about a parcel at the front door", "modalities": ["speech"]}}
ALWAYS = {
    "something": {"describe": "a grey picture", "modalities": ["vision"], "threshold": 0.000001, "min_duration": 0}
}


def write_config(folder: Path, profile: str = "colour", **sections: Any) -> Path:
    """Write a configuration whose state lies in ``folder``; a free port, JSON logs, no model unless asked for."""
    base = {
        "state_dir": "state",
        "http": {"port": 0},
        "logs": {"format": "json"},
        "runtime": "local",
        "models": {"profile": profile},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(base | sections, allow_unicode=True), encoding="utf-8")
    return path


def watchword(*args: str | Path, timeout_s: float = 170) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        process = Forked([*map(str, args)], stdout, stderr)
        try:
            code = process.wait(timeout_s)
        finally:
            process.kill()
        stdout.seek(0), stderr.seek(0)
        return subprocess.CompletedProcess(process.args, code, stdout.read(), stderr.read())


def json_lines(text: str) -> list[dict[str, Any]]:
    """Parse what are JSON documents among lines: native libraries and last words are for people."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def published(folder: Path, all_revisions: bool = False) -> list[dict[str, Any]]:
    """Return the events that are in the embedded server of ``folder``: ``watchword events list``, in this process."""
    options = ["--all-revisions"] if all_revisions else []
    command = ["list", "--json", "--since", "365d", "--limit", "10000", "--state-dir", str(folder / "state"), *options]
    done = CliRunner().invoke(events_app, command)
    assert done.exit_code == 0, done.output
    return json_lines(done.stdout)


class Running:
    """A daemon in the background."""

    def __init__(self, config: Path, log: Path, program: Sequence[str] = ()) -> None:
        """Start ``program``, which is that of this checkout unless it is given."""
        self._log = log
        self.process: Forked | subprocess.Popen[bytes]
        with log.open("w") as out, open(os.devnull, "w") as nowhere:
            if program:
                self.process = subprocess.Popen([*program, "run", str(config)], stdout=nowhere, stderr=out)
            else:
                self.process = Forked(["run", str(config)], nowhere, out)

    def log(self) -> str:
        """Return what it has logged so far."""
        return self._log.read_text()

    def wait_for(self, text: str, timeout_s: float = 120) -> None:
        """Wait until it has logged ``text``."""
        deadline = time.monotonic() + timeout_s
        while text not in self.log():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.log()}"
            time.sleep(0.1)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 60) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)


@contextmanager
def running(config: Path, folder: Path, program: Sequence[str] = ()) -> Iterator[Running]:
    """Start a daemon and make sure that it is gone at the end."""
    daemon = Running(config, folder / "daemon.log", program)
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()
