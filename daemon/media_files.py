"""Which files are meant: named files, and the videos of named folders."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.errors import WatchwordError
from workers.errors import SourceNotFound
from workers.redaction import RedactedUrl

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    }
)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file to read; ``relative`` is its place below the folder it was found in, or its name."""

    path: Path
    relative: Path


def find_media(named: Sequence[str]) -> tuple[tuple[MediaFile, ...], tuple[WatchwordError, ...]]:
    """Return each file once, in the order named (folders sorted), and an error for each name without any.

    A named file is taken whatever its ending: only its content tells whether it can be read.
    """
    found: dict[Path, MediaFile] = {}
    errors: list[WatchwordError] = []
    for name in named:
        try:
            files = _named(name)
        except WatchwordError as e:
            errors.append(e)
            continue
        for file in files:
            found.setdefault(file.path.resolve(), file)
    return tuple(found.values()), tuple(errors)


def encodable(text: str) -> str:
    """Return text that any file takes: names of files on Linux are bytes and need not be UTF-8."""
    return _SURROGATES.sub("\ufffd", text)


def videos_in(folder: Path) -> Iterator[Path]:
    """Yield the video files anywhere below a folder, sorted; hidden ones are left out."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(parent, name)


def _named(name: str) -> list[MediaFile]:
    path = Path(name)
    if "://" in name:
        raise SourceNotFound(f"{RedactedUrl(name)} is no file", "watch streams with `watchword run`")
    if not path.exists():
        raise SourceNotFound(f"{name}: no such file or folder", "check the name; quote it if it has spaces")
    if not path.is_dir():
        return [MediaFile(path, Path(path.name))]
    files = [MediaFile(video, video.relative_to(path)) for video in videos_in(path)]
    if not files:
        raise SourceNotFound(
            f"{name}: no video files in this folder",
            f"a video's name ends in one of {' '.join(sorted(VIDEO_SUFFIXES))}",
        )
    return files
