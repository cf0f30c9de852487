"""A look at the first bytes of a file: what FFmpeg would only call invalid data gets a clear error, at once."""

import codecs
from pathlib import Path

from workers.errors import SourceInvalid, SourceRefused
from workers.redaction import RedactedUrl
from workers.sources.ffmpeg_errors import classify, make
from workers.sources.url import PLAYLIST_PREFIXES

_LOOKED_AT = 4096  # bytes
_TEXT_CONTROLS = frozenset(b"\t\n\f\r\x1b")  # the others are in no text
_RAW_VIDEO = b"YUV4MPEG2"  # a line of text, then pictures, whose bytes may all be letters


def check_content(path: Path, camera: str, url: RedactedUrl) -> None:
    """Raise a ``SourceError`` for a file that cannot be read, or is no media at its first sight."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # opening a pipe would block
            raise make(SourceInvalid, camera, url, "neither a file nor a folder")
        with path.open("rb") as file:
            begin = file.read(_LOOKED_AT)
    except OSError as e:
        raise classify(e, camera, url, 0.0, None) from e
    if begin.removeprefix(codecs.BOM_UTF8).startswith(PLAYLIST_PREFIXES):
        reason = "a playlist, script or session description; copy what it names into one file"
        raise make(SourceRefused, camera, url, reason)
    if not begin:
        raise make(SourceInvalid, camera, url, "the file is empty")
    if _is_text(begin):
        raise make(SourceInvalid, camera, url, "the file is text")


def _is_text(begin: bytes) -> bool:
    """Return whether all bytes are text in UTF-8; what the look ends in may be cut off."""
    if begin.startswith(_RAW_VIDEO):
        return False
    if any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in begin):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin, final=len(begin) < _LOOKED_AT)
    except UnicodeDecodeError:
        return False
    return True
