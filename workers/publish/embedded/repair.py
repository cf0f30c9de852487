"""Truncate a damaged end of the embedded server's append-only file, so that the server can start.

The server accepts a file that ends too early, but not one that ends in zeros or garbage, which a power loss leaves on
some disks. The server's own checker (its binary under another name) finds the damage and truncates it. Only the last
increment is written to, so only it can be damaged (and the checker of Valkey 9.1 reports a whole base file as damage).
"""

import re
import subprocess
from pathlib import Path

import structlog

MOST_BYTES = 1 << 20  # more damage is not a torn write and needs a person

log = structlog.get_logger()
_DAMAGE = re.compile(r"\bdiff=(\d+)")


def repair_tail(binary: str, folder: Path) -> None:
    """Truncate a damaged end of at most ``MOST_BYTES``; for other damage, the server's next start fails and logs it."""
    increments = sorted(folder.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))
    if not increments:
        return
    last = increments[-1]
    found = _DAMAGE.search(_check(binary, str(last)))
    damage = int(found[1]) if found else 0
    if 0 < damage <= MOST_BYTES:
        _check(binary, "--fix", str(last))
        log.warning("the end of the append-only file was damaged and is cut off", file=str(last), damaged_bytes=damage)
    elif damage:
        log.error(
            "the append-only file is damaged: repair it, or move its folder away", file=str(last), damaged_bytes=damage
        )


def _check(binary: str, *arguments: str) -> str:
    """Run the checker and return its output."""
    done = subprocess.run(
        ["valkey-check-aof", *arguments],
        executable=binary,
        input="y\n",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout
