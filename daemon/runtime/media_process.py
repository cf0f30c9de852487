"""Decoding for one request, in a process of its own: ``python -m workers.sources.clips.NAME``."""

import os
import subprocess
import sys

from daemon.logs.setup import worker_environment
from workers.errors import ClipUnavailable


def run_media(name: str, *arguments: str, longest_s: float, given: str = "") -> str:
    """Run a module of ``workers.sources.clips`` with ``given`` as its input, and return what it prints.

    Raise ``ClipUnavailable`` if it fails, or takes longer than ``longest_s``.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", f"workers.sources.clips.{name}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **worker_environment(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=longest_s,
            process_group=0,  # Ctrl-C in a terminal is for this process
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClipUnavailable(f"it took more than {longest_s:.0f} s", "ask for less") from None
    if done.returncode:
        raise ClipUnavailable(f"it cannot be decoded: {done.stderr[-500:].strip()}", "it may be damaged")
    return done.stdout
