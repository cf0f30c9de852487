"""A damaged end of the embedded server's append-only file is cut off, so that the server starts again.

The server itself forgives a file that ends too early, not one that ends in zeros or garbage, which is what a loss of
power leaves on some disks. Its own checker finds the damage and cuts it off: the server's binary under another name.
Only the last increment is written to, so only it can be torn (and the checker of Valkey 9.1 takes a whole base file
for damage).
"""

import logging
import re
import subprocess
from pathlib import Path

MOST_BYTES = 1 << 20  # a longer damage is no torn write: people should look at it

_log = logging.getLogger(__name__)
_DAMAGE = re.compile(r"\bdiff=(\d+)")


def mend_tail(binary: str, folder: Path) -> None:
    """Cut a damaged end of at most ``MOST_BYTES`` off; what cannot be mended the server's next start tells."""
    increments = sorted(folder.glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))
    if not increments:
        return
    last = increments[-1]
    found = _DAMAGE.search(_check(binary, str(last)))
    damage = int(found[1]) if found else 0
    if 0 < damage <= MOST_BYTES:
        _check(binary, "--fix", str(last))
        _log.warning("the last %d bytes of %s were damaged and are cut off", damage, last)
    elif damage:
        _log.error("%s is damaged %d bytes before its end: mend it, or move its folder away", last, damage)


def _check(binary: str, *arguments: str) -> str:
    """Run the checker and return what it says."""
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
