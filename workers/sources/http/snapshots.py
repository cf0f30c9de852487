"""Poll the address of a single picture, and send FFmpeg the pictures as a stream of motion JPEG.

Many cameras answer an address with the picture of now. FFmpeg would read it as a video of one frame.
"""

import select
import socket
import time
from http.client import HTTPResponse

MAX_BYTES = 32 << 20  # of one picture
_JPEG = b"\xff\xd8\xff"
_KINDS = ("image/jpeg", "image/jpg", "image/pjpeg")
_UNSPECIFIC = ("", "application/octet-stream", "binary/octet-stream")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=picture\r\nConnection: close\r\n\r\n"


def is_snapshot(response: HTTPResponse) -> bool:
    """Return whether the body of a response is one JPEG picture."""
    if response.status not in (200, 206):
        return False
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    unspecific = kind in _UNSPECIFIC and "Content-Length" in response.headers
    return kind in _KINDS or (unspecific and response.peek(len(_JPEG)).startswith(_JPEG))


class SnapshotStream:
    """The pictures of one address, sent to ``near`` every ``period_s`` seconds."""

    def __init__(self, near: socket.socket, period_s: float) -> None:
        self._near, self._period_s = near, period_s
        self._due = time.monotonic()
        near.settimeout(None)
        near.sendall(_HEAD)

    def send(self, response: HTTPResponse) -> None:
        """Send the picture of a response; raise ``ValueError`` if it is none or too large, ``OSError`` if broken."""
        picture = response.read(MAX_BYTES + 1)
        if len(picture) > MAX_BYTES or not picture.startswith(_JPEG):
            raise ValueError("no picture")
        head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
        self._near.sendall(head.encode() + picture + b"\r\n")

    def wait(self) -> bool:
        """Wait until the next picture is due; return False if nobody listens any more."""
        self._due = max(self._due + self._period_s, time.monotonic())
        return not select.select([self._near], [], [], self._due - time.monotonic())[0]
