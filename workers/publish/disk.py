"""Whether a disk takes bytes: the error that a plain write meets, where a library's own error does not say it."""

import errno
import tempfile
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_error(folder: Path, size: int) -> OSError | None:
    """Return the error that writing ``size`` bytes to a file in ``folder`` meets, None if there is no error.

    The file has no name and is removed at once.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            view = memoryview(bytes(size))
            while view:  # an unbuffered file may take a write in parts
                view = view[file.write(view) :]
    except OSError as error:
        return error
    return None
