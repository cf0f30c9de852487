"""Names of shards: time, stream and number are in them, so that most files need not be opened."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workers.index.types import ShardInfo

OPEN, FULL = ".open", ".shard"
_NAME = re.compile(r"(\d{1,15})-(?:(\d{1,15})-)?([0-9a-f]{12})-(\d{4,})(\.open|\.shard)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard's file. ``since`` to ``until``: what it holds, Unix seconds; of a file, when that was watched.

    ``until`` None: it is open. ``tape``: a hash of the stream's key.
    """

    path: Path
    since: float
    until: float | None
    tape: str
    number: int

    @property
    def camera(self) -> str:
        """Return the camera."""
        return self.path.parent.name


def tape_of(key: str) -> str:
    """Return the hash of a stream's key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def open_path(folder: Path, info: ShardInfo, since: float) -> Path:
    """Return the path of an open shard in the folder of its camera."""
    return folder / f"{int(since * 1000)}-{tape_of(info.tape.key)}-{info.number:04d}{OPEN}"


def full_path(folder: Path, info: ShardInfo, since: float, until: float) -> Path:
    """Return the path of a full shard in the folder of its camera."""
    times = f"{int(since * 1000)}-{int(until * 1000) + 1}"
    return folder / f"{times}-{tape_of(info.tape.key)}-{info.number:04d}{FULL}"


def forgotten_path(folder: Path, tape: str) -> Path:
    """Return the mark, in the folder of its camera, of a file that was forgotten and is not recorded again."""
    return folder / f"{tape}.forgotten"


def tape_in(path: Path) -> str:
    """Return the hash of the stream's key in a shard's name."""
    return path.stem.split("-")[-2]


def shard_files(folder: Path) -> list[ShardFile]:
    """Return the shards of one camera in order of time; an open one that was made full meanwhile is left out."""
    found = {(f.tape, f.number, f.until is None): f for f in _all(folder)}
    files = [f for (tape, number, is_open), f in found.items() if not (is_open and (tape, number, False) in found)]
    return sorted(files, key=lambda f: (f.since, f.tape, f.number))


def stored(index: Path) -> Iterator[tuple[ShardFile, int]]:
    """Yield the shards of all cameras, with their sizes in bytes."""
    folders = index.iterdir() if index.is_dir() else ()
    for folder in folders:
        for file in shard_files(folder):
            with suppress(FileNotFoundError):
                yield file, file.path.stat().st_size


def _all(folder: Path) -> Iterator[ShardFile]:
    for path in folder.glob("*.*"):
        if match := _NAME.fullmatch(path.name):
            since, until, tape, number, _ = match.groups()
            yield ShardFile(path, int(since) / 1000, int(until) / 1000 if until else None, tape, int(number))
