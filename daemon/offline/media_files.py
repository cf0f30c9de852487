"""Find the media files given by name and in folders given by name."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.errors import WatchwordError
from workers.errors import SourceNotFound
from workers.redaction import RedactedUrl

_VIDEO = (
    "264 265 3g2 3gp apng asf av1 avc avi avif dav dif divx dv f4v flv gif h264 h265 hevc ifv insv ivf lrv m1v m2t "
    "m2ts m2v m4v mj2 mjpeg mjpg mk3d mkv mod mov mp4 mpeg mpg mpv mts mxf nut obu ogm ogv qt rm rmvb tod ts vob webm "
    "wmv wtv y4m"
)
_AUDIO = (
    "3ga aac ac3 aif aifc aiff amr ape au caf dts eac3 ec3 flac m4a m4b mka mp2 mp3 mpa oga ogg opus ra snd spx tta "
    "w64 wav weba wma wv"
)
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEO.split())
MEDIA_SUFFIXES = VIDEO_SUFFIXES | {f".{name}" for name in _AUDIO.split()}
PARTIAL = ".watchword-"  # begins the name of a file that arrives over HTTP, until it is whole
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file to read; ``relative``: its path below the folder it was found in, or its name."""

    path: Path
    relative: Path


@dataclass(frozen=True, slots=True)
class Refused:
    """What was given but cannot be read: its name, without credentials, and why."""

    name: str
    error: WatchwordError


def find_media(named: Sequence[str]) -> tuple[tuple[MediaFile, ...], tuple[Refused, ...]]:
    """Return each file once, in the given order (folders sorted), and what is no media at first sight.

    A named file is accepted with any extension: only its content decides whether it can be read.
    """
    from workers.sources.containers.sniffing import check_content  # loads FFmpeg: not for `--help`

    found: dict[Path, MediaFile] = {}
    refused: list[Refused] = []
    for name in named:
        try:
            files = _named(name)
        except WatchwordError as e:
            refused.append(Refused(str(RedactedUrl(name)), e))
            continue
        for file in files:
            try:
                check_content(file.path, "file", RedactedUrl(str(file.path)))
                found.setdefault(file.path.resolve(), file)
            except WatchwordError as e:
                refused.append(Refused(str(file.path), e))
    return tuple(found.values()), tuple(refused)


def encodable(text: str) -> str:
    """Return text that can be encoded: file names on Linux are bytes and need not be UTF-8."""
    return _SURROGATES.sub("\ufffd", text)


def left_alone(named: Sequence[str]) -> tuple[Path, ...]:
    """Return what in the named folders is no media file by its ending, and the subfolders that cannot be read."""
    found: dict[Path, None] = {}
    for folder in (Path(name) for name in named if "://" not in name and os.path.isdir(name)):
        unread: list[Path] = []
        files = list(_files_in(folder, unread))
        found |= dict.fromkeys([*unread, *(file for file in files if file.suffix.lower() not in MEDIA_SUFFIXES)])
    return tuple(found)


def _files_in(folder: Path, unread: list[Path]) -> Iterator[Path]:
    """Yield all files anywhere below a folder, sorted, except hidden ones; add folders that cannot be read."""
    for parent, folders, names in os.walk(folder, onerror=lambda e: unread.append(Path(e.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _named(name: str) -> list[MediaFile]:
    path, shown = Path(name), RedactedUrl(name)
    if "://" in name:
        raise SourceNotFound(f"{shown} is not a file", "watch streams with `watchword run`")
    try:
        path.stat()
    except OSError as e:  # also a name that is too long, and a folder that may not be entered
        what = "no such file or folder" if isinstance(e, FileNotFoundError) else e.strerror
        raise SourceNotFound(f"{shown}: {what}", "check the name; quote it if it has spaces") from None
    if not path.is_dir():
        return [MediaFile(path, Path(path.name))]
    files = [MediaFile(f, f.relative_to(path)) for f in _files_in(path, []) if f.suffix.lower() in MEDIA_SUFFIXES]
    if not files:
        raise SourceNotFound(
            f"{shown}: no media files in this folder",
            f"the name of one ends in one of {' '.join(sorted(MEDIA_SUFFIXES))}",
        )
    return files
