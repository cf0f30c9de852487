"""Reads the index of a state folder: which cameras it has, and their shards in order of time."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from workers.errors import IndexDamaged
from workers.index.naming import ShardFile, shard_files
from workers.index.shard import Shard, read_full, read_open

log = structlog.get_logger()


class IndexReader:
    """Reads shards while others write, remove and rewrite them. Full shards stay mapped. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[Path, tuple[tuple[int, int], Shard]]] = {}  # by camera; inode and time of change
        self._reported: set[Path] = set()  # damaged ones

    def cameras(self) -> tuple[str, ...]:
        """Return the cameras of which there are shards, by name."""
        return tuple(name for name in self._folders() if shard_files(self._folder / name))

    def shards(
        self, cameras: Collection[str] | None = None, since: float | None = None, until: float | None = None
    ) -> Iterator[Shard]:
        """Yield shards, camera by camera and rising in time.

        ``since``, ``until``: Unix seconds; shards of other times are left out. Those of a file have the time when it
        was watched. A damaged shard is logged once, and left out.
        """
        folders = self._folders()
        self._known = {camera: known for camera, known in self._known.items() if camera in folders}
        for camera in folders:
            if cameras is None or camera in cameras:
                files = shard_files(self._folder / camera)
                self._release(camera, {file.path for file in files})
                for file in files:
                    if (until is None or file.since <= until) and (
                        since is None or file.until is None or file.until >= since
                    ):
                        yield from self._read(file)

    def _folders(self) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(f.name for f in self._folder.iterdir() if f.is_dir())
        return []

    def _release(self, camera: str, there: Collection[Path]) -> None:
        """Let go of shards that are not there any more, so that nothing of them stays mapped."""
        self._known[camera] = {path: of for path, of in self._known.get(camera, {}).items() if path in there}

    def _read(self, file: ShardFile) -> Iterator[Shard]:
        try:
            yield read_open(file.path) if file.until is None else self._full(file.path)
        except FileNotFoundError:  # it was made full or removed meanwhile
            if file.until is None:
                full = (f for f in shard_files(file.path.parent) if (f.tape, f.number) == (file.tape, file.number))
                for now in full:
                    yield self._full(now.path)
        except IndexDamaged as error:
            if file.path not in self._reported:
                self._reported.add(file.path)
                log.error("a part of the index is left out", code=error.code, error=str(error))

    def _full(self, path: Path) -> Shard:
        status = path.stat()
        stamp = (status.st_ino, status.st_mtime_ns)
        of_camera = self._known.setdefault(path.parent.name, {})
        known = of_camera.get(path)
        if known is None or known[0] != stamp:
            of_camera[path] = known = (stamp, read_full(path))
        return known[1]
