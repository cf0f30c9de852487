"""Receive a file into the folder of uploads: under another name until it is whole, never over another file."""

import asyncio
import errno
import os
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterable
from contextlib import suppress
from os.path import splitext
from pathlib import Path

from alignment.file_io import NAME_BYTES, PART_SUFFIX, shortened, sync_path
from daemon.api.errors import ApiError
from daemon.offline.media_files import MEDIA_SUFFIXES, PARTIAL

BLOCK = 1 << 20  # written at once
ROOM = 500 << 20  # bytes that stay free on the disk: events and evidence need them
ROOM_EVERY = 64 << 20  # received bytes after which the disk is looked at again
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def safe_name(name: str) -> str:
    """Return the name under which a file is kept; raise ``ApiError`` for one that is none of a media file."""
    name = unicodedata.normalize("NFC", name)
    bad = not name.isprintable() or any(mark in name for mark in "/\\") or name.startswith(".") or name != name.strip()
    if bad or not name:
        text = "the name must be that of a file, without folders, and must not begin with a dot"
        raise ApiError(422, "name_invalid", text)
    stem, ending = splitext(name)
    if ending.lower() not in MEDIA_SUFFIXES:
        raise ApiError(415, "not_media", "the ending of the name is not one of a media file, such as .mp4 or .mkv")
    return shortened(stem, NAME_BYTES - 10 - len(ending)) + ending


async def receive(parts: AsyncIterable[bytes], folder: Path, name: str, declared: int) -> tuple[str, int]:
    """Write what arrives into ``folder``; return the name that the file got, and its size in bytes.

    ``declared``: the size that the client announced, 0 if it did not. Raise ``ApiError`` if the disk is too full.
    """
    part = folder / f"{PARTIAL}{secrets.token_hex(8)}{PART_SUFFIX}"
    try:
        await asyncio.to_thread(_require_room, folder, declared)
        size = await _write(parts, part, folder)
        return await asyncio.to_thread(_publish, part, folder, name), size
    except OSError as error:
        if error.errno in FULL:
            raise _disk_full() from error
        text = f"the file cannot be written: {error.strerror or error}"
        raise ApiError(503, "upload_not_written", f"{text}; check the folder of uploads") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


async def _write(parts: AsyncIterable[bytes], path: Path, folder: Path) -> int:
    size, looked_at, block = 0, 0, bytearray()
    with path.open("xb") as file:
        async for received in parts:
            block += received
            size += len(received)
            if len(block) >= BLOCK:
                await asyncio.to_thread(file.write, bytes(block))
                block.clear()
            if size - looked_at >= ROOM_EVERY:
                looked_at = size
                await asyncio.to_thread(_require_room, folder, 0)
        await asyncio.to_thread(file.write, bytes(block))
    await asyncio.to_thread(sync_path, path)
    return size


def _publish(part: Path, folder: Path, name: str) -> str:
    """Give a whole file its name, or a similar one if there is such a file; return it."""
    stem, ending = splitext(name)
    for number in range(1000):
        target = folder / (f"{stem}-{number}{ending}" if number else name)
        try:
            os.link(part, target)  # never replaces a file
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if os.path.lexists(target):
                continue
            os.rename(part, target)
        return target.name
    raise ApiError(409, "name_taken", "there are too many files of this name")


def _require_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free - size < ROOM:
        raise _disk_full()


def _disk_full() -> ApiError:
    return ApiError(507, "disk_full", "there is not enough room for the file: events and evidence need the rest")
