"""Responses of a file's content: whole, a range of it, or 304 where the client has it."""

import re
from typing import IO

from fastapi import Request, Response

KEPT = {"cache-control": "private, no-cache"}  # kept by the browser, and asked for again: it may have been forgotten
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


def unchanged(request: Request, etag: str) -> Response | None:
    """Return 304 if the client has what this tag names, else None."""
    known = request.headers.get("if-none-match", "")
    return Response(status_code=304, headers=KEPT | {"etag": etag}) if etag in known.split(", ") else None


def part_of(file: IO[bytes], media_type: str, request: Request) -> Response:
    """Return a seekable file's content, or the one range of bytes that is asked for."""
    size = file.seek(0, 2)
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    headers = KEPT | {"accept-ranges": "bytes"}
    if wanted is None or wanted[0] == "bytes=-":
        file.seek(0)
        return Response(file.read(), media_type=media_type, headers=headers)
    first, last = wanted[1], wanted[2]
    start = int(first) if first else max(0, size - int(last))
    end = min(size - 1, int(last)) if first and last else size - 1
    if start > end:
        return Response(status_code=416, headers=KEPT | {"content-range": f"bytes */{size}"})
    file.seek(start)
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Response(file.read(end - start + 1), 206, media_type=media_type, headers=headers)
