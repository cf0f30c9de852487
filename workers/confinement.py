"""Limits of the kernel on a process that decodes what strangers made.

Memory is bounded by ``RLIMIT_DATA``, which counts what a process allocates for itself, and not what it only maps: an
object store, libraries. ``RLIMIT_AS`` would count these too, and end any process that Ray runs. Whoever goes beyond
gets no memory: FFmpeg and numpy then fail with an error, other code may end the process, which the runtime notices.
"""

import resource
from pathlib import Path

MAX_FILES = 1024


def confine(memory_mib: int) -> None:
    """Allow this process ``memory_mib`` more than it has now, no core dumps, and ``MAX_FILES`` open files. For good."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, MAX_FILES)
    used = private_bytes()
    if used is not None:
        _lower(resource.RLIMIT_DATA, used + (memory_mib << 20))


def private_bytes() -> int | None:
    """Return what ``RLIMIT_DATA`` counts of this process, bytes; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), None)


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (value, value))
