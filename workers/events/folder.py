"""Where evidence is kept: a folder on the machine of the daemon, and behind it perhaps one anywhere (fsspec).

With a remote folder files are written here first and moved there by an ``Uploader``: an event waits for no network,
and what could not be sent yet survives a restart. Events name the remote place from the beginning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from workers.errors import EvidenceUnreachable
from workers.events.erasures import CAMERA_NAME
from workers.redaction import RedactedUrl

SNAPSHOT, EXPLANATION, CLIP = ".jpg", ".explain.png", ".mp4"  # endings of the files' names
UNUSUAL = "unusual-"  # begins the name of a picture of no event; its time in milliseconds follows
NAME = "[!.]*"  # of a file that is complete


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of evidence: its name below the folder, when it was written (Unix seconds), its size in bytes."""

    name: str
    written: float
    size: int


class EvidenceFolder:
    """The folder ``local``, and ``remote`` if there is one. Names are ``CAMERA/DAY or FILE/EVENT-ID.ending``."""

    def __init__(self, local: Path, remote: RedactedUrl | None = None) -> None:
        self.local = local
        self.remote = RemoteFolder(remote) if remote is not None else None

    def location(self, name: str) -> str:
        """Return the path or URL, without credentials, by which events name a file."""
        return str(self.local / name) if self.remote is None else f"{self.remote.shown}/{name}"

    def name_of(self, location: str) -> str | None:
        """Return the name of the file that an event names; None for what does not lie in this folder."""
        base = str(self.local) if self.remote is None else self.remote.shown
        name = location.removeprefix(f"{base}/")
        parts = name.split("/")
        inside = location != name and not any(not part or part.startswith(".") or "\0" in part for part in parts)
        return name if inside and CAMERA_NAME.fullmatch(parts[0]) else None

    def path_of(self, location: str) -> Path | None:
        """Return the local file that an event names; None if it lies elsewhere, or is not there (yet)."""
        name = self.name_of(location)
        if name is None:
            return None
        path = self.local / name
        return path if path.is_file() and path.resolve().is_relative_to(self.local.resolve()) else None

    def may_hold(self, location: str | None) -> bool:
        """Return whether the file that an event names is there; a remote folder is not asked."""
        return location is not None and (self.remote is not None or self.path_of(location) is not None)

    def open(self, location: str) -> IO[bytes] | None:
        """Return the file that an event names, seekable; None if it is not there (yet).

        Raise ``EvidenceUnreachable``.
        """
        if (path := self.path_of(location)) is not None:
            return path.open("rb")
        name = self.name_of(location)
        return self.remote.open(name) if self.remote is not None and name is not None else None

    def files(self, camera: str = "*") -> Iterator[Path]:
        """Yield the local files of a camera, in folders of days and files, or without as earlier versions wrote.

        Links are not followed: what they lead to is not evidence.
        """
        for pattern in (NAME, f"{NAME}/{NAME}"):
            found = self.local.glob(f"{camera}/{pattern}")
            yield from (path for path in found if path.is_file() and not path.is_symlink())


class RemoteFolder:
    """A folder of any file system that ``fsspec`` knows. Methods raise ``EvidenceUnreachable``."""

    def __init__(self, url: RedactedUrl) -> None:
        self._url = url
        parts = urlsplit(url.reveal())
        address = parts.netloc.rpartition("@")[2]
        self.shown = urlunsplit((parts.scheme, address, parts.path.rstrip("/"), "", ""))

    def put(self, name: str, path: Path) -> None:
        """Store a local file under a name, in place of one that is there."""
        with self._reaching("write", name):
            system, root = self._system
            target = f"{root}/{name}"
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(path), target)

    def open(self, name: str) -> IO[bytes] | None:
        """Return a file, seekable; None if it is not there."""
        with self._reaching("read", name):
            system, root = self._system
            try:
                file: IO[bytes] = system.open(f"{root}/{name}", "rb")
            except FileNotFoundError:
                return None
            return file

    def files(self, camera: str | None = None) -> list[Stored]:
        """Return all files of a camera; None: of all."""
        with self._reaching("list", camera or ""):
            system, root = self._system
            try:
                found = system.find(f"{root}/{camera}" if camera else root, detail=True)
            except FileNotFoundError:
                return []
            return [_stored(path, about, root) for path, about in found.items()]

    def remove(self, name: str) -> None:
        """Remove a file; one that is missing is ignored."""
        with self._reaching("remove", name):
            system, root = self._system
            try:
                system.rm_file(f"{root}/{name}")
            except FileNotFoundError:
                return

    @cached_property
    def _system(self) -> tuple[Any, str]:
        """Return the file system, which has no types, and the path of this folder in it."""
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise EvidenceUnreachable(
                "evidence.where is a URL, and fsspec is not installed", "pip install 'watchword[remote]'"
            ) from None
        system, root = url_to_fs(self._url.reveal())
        return system, str(root).rstrip("/")

    def _reaching(self, action: str, name: str) -> "_Reaching":
        return _Reaching(self._url, f"cannot {action} {self.shown}/{name}")


class _Reaching:
    """Turns what a file system raises, of whatever library, into ``EvidenceUnreachable`` without credentials."""

    def __init__(self, url: RedactedUrl, text: str) -> None:
        self._url, self._text = url, text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, EvidenceUnreachable):
            raise EvidenceUnreachable(self._url.scrub(f"{self._text}: {error!r}")) from None


def _stored(path: str, about: dict[str, Any], root: str) -> Stored:
    written = about.get("mtime") or about.get("LastModified") or about.get("last_modified") or about.get("created")
    if isinstance(written, datetime):
        written = written.replace(tzinfo=written.tzinfo or UTC).timestamp()
    name = path.removeprefix(root).lstrip("/")
    return Stored(name, float(written) if isinstance(written, int | float) else 0.0, int(about.get("size") or 0))
