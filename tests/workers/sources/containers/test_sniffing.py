"""What is no media at first sight."""

from pathlib import Path

import pytest

from workers.errors import SourceError, SourceInvalid, SourceNotFound, SourceRefused
from workers.redaction import RedactedUrl
from workers.sources.containers.sniffing import check_content


def check(path: Path) -> None:
    check_content(path, "file", RedactedUrl(str(path)))


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"", SourceInvalid, "empty"),
        (b"Dear diary,\r\n\tto-day", SourceInvalid, "text"),
        (b"x" * 4095 + "猫".encode(), SourceInvalid, "text"),  # the end of what is read cuts a character
        (b"\xef\xbb\xbf1\n00:00:01,000 --> 00:00:02,000\nHello\n", SourceInvalid, "text"),
        (b"\xef\xbb\xbf#EXTM3U\n", SourceRefused, "playlist"),
    ],
    ids=["empty", "text", "cut", "subtitles", "playlist"],
)
def test_text_and_nothing_are_no_media(tmp_path: Path, content: bytes, error: type[SourceError], reason: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(error, match=reason):
        check(path)


@pytest.mark.parametrize(
    "content",
    [
        b"YUV4MPEG2 W64 H48 F5:1\nFRAME\n" + b"@" * 5000,
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xe0\0\x10JFIF",
        b"\0\0\0\x18ftypisom",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"caf\xe9",  # may be anything
    ],
    ids=["y4m", "mjpeg", "mp4", "wav", "bytes"],
)
def test_what_may_be_media_is_left_to_the_demuxer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    check(path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="does not exist"):
        check(tmp_path / "absent.mp4")
