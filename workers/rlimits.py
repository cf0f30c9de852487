"""Kernel resource limits for processes that decode untrusted media.

``RLIMIT_DATA`` bounds memory: it counts private allocations, not mappings such as an object store or libraries.
``RLIMIT_AS`` would count mappings too, and would end any process that Ray runs. Beyond the limit, allocation fails:
FFmpeg and numpy then raise an error; other code may end the process, and the runtime restarts it.
"""

import resource
from pathlib import Path

MAX_FILES = 1024


def confine(memory_mib: int) -> None:
    """Limit this process for good: ``memory_mib`` more than it uses now, no core dumps, ``MAX_FILES`` open files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, MAX_FILES)
    used = private_bytes()
    if used is not None:
        _lower(resource.RLIMIT_DATA, used + (memory_mib << 20))


def private_bytes() -> int | None:
    """Return the bytes that ``RLIMIT_DATA`` counts for this process; None on systems other than Linux."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), None)


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (value, value))
