"""Writes the index: one open shard for each stream, which is made full (``compact``) when its hour is over."""

import os
from pathlib import Path

from alignment.file_io import make_folder, sync_path
from workers.index.naming import full_path, open_path
from workers.index.records import MAGIC, record
from workers.index.shard import read_open
from workers.index.shard_file import save_shard
from workers.index.types import ShardInfo

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class OpenShard:
    """An open shard that grows. Methods raise ``OSError``; what was written before it is kept."""

    def __init__(self, folder: Path, info: ShardInfo, since: float) -> None:
        """Create the file in the folder of its camera. ``since``: see ``naming.ShardFile``."""
        self.info, self.since = info, since
        self.path = open_path(folder, info, since)
        make_folder(folder, 0o700)
        self._file = os.open(self.path, FLAGS, 0o600)
        self.size, self._synced = 0, 0
        self._write(MAGIC + record(info.to_json().encode()))
        self.sync()
        sync_path(folder)

    def append(self, payload: bytes) -> None:
        """Write a record; on an error leave the file as it was."""
        self._write(record(payload))

    def sync(self) -> None:
        """Sync what was written to disk."""
        if self.size > self._synced:
            os.fdatasync(self._file)
            self._synced = self.size

    def close(self) -> None:
        """Close the file, which stays an open shard until it is compacted."""
        os.close(self._file)

    def _write(self, content: bytes) -> None:
        try:
            written = os.write(self._file, content)
            if written != len(content):
                raise OSError(f"{written} of {len(content)} bytes were written")
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(content)


def compact(path: Path, closed: bool) -> Path | None:
    """Make an open shard full; return the new path, None if it held nothing.

    ``closed``: it ended as it was meant to. A file was watched until the last change of its shard. Raise ``OSError``,
    or ``IndexDamaged`` if there is no shard.
    """
    shard = read_open(path)
    since = int(path.name.split("-")[0]) / 1000
    full = None
    if shard.count > shard.missing:
        until = shard.end if shard.info.tape.live else path.stat().st_mtime
        full = full_path(path.parent, shard.info, since, max(since, until))
        save_shard(full, shard.info, shard.columns, {"closed": str(closed).lower(), "torn": str(shard.torn)})
    path.unlink(missing_ok=True)
    return full
