"""The files of the page, read once: contents, types, compressed forms, and one version for all of them.

The version is a hash of all files and part of their URLs. So browsers keep a file for ever without asking again, an
upgrade changes all files at once, and a page never mixes modules of two versions. No build step is needed for that:
modules import each other by relative paths, which stay below the version.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from starlette.datastructures import Headers

MEDIA_TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/manifest+json",
        ".svg": "image/svg+xml",
        ".ttf": "font/ttf",
    }
)
INDEX = "index.html"
VERSION, MODULES = b"@version@", b"<!-- modules -->"  # what the index has in the place of both
LEAST_COMPRESSED = 512  # bytes; less gains nothing


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, as it is sent: plain, or compressed to clients that understand that."""

    content: bytes
    media_type: str
    compressed: bytes | None = None

    @classmethod
    def of(cls, name: str, content: bytes) -> "PageFile":
        """Return a file by its name."""
        packed = gzip.compress(content, 9, mtime=0) if len(content) >= LEAST_COMPRESSED else content
        return cls(content, MEDIA_TYPES[_ending(name)], packed if len(packed) < len(content) else None)

    def encoded(self, headers: Headers) -> tuple[bytes, dict[str, str]]:
        """Return the body for a request with these headers, and what the response says of its encoding."""
        accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
        if self.compressed is not None and "gzip" in accepted:
            return self.compressed, {"content-encoding": "gzip", "vary": "accept-encoding"}
        return self.content, {"vary": "accept-encoding"}


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The index, and the other files by their path below it."""

    version: str
    index: PageFile
    others: Mapping[str, PageFile]


def load_page_files() -> PageFiles:
    """Return the installed files."""
    found = dict(sorted(_walk(files("daemon.web") / "static")))
    version = sha256(b"".join(name.encode() + b"\0" + content for name, content in found.items())).hexdigest()[:12]
    index = found.pop(INDEX).replace(MODULES, _preloads(found)).replace(VERSION, version.encode())
    others = {name: PageFile.of(name, content) for name, content in found.items()}
    return PageFiles(version, PageFile.of(INDEX, index), MappingProxyType(others))


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif _ending(entry.name) in MEDIA_TYPES:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found


def _preloads(found: Mapping[str, bytes]) -> bytes:
    """Return elements that load all modules at once: otherwise each is found only once its importer has been read."""
    modules = [name for name in found if name.startswith("js/")]
    return "\n".join(f'<link rel="modulepreload" href="/web/@version@/{name}">' for name in modules).encode()


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
