"""Messages between a decoder and who asked for it: pickled, one after the other, over a socket.

Not ``multiprocessing.connection.Connection``: its ``poll`` is true for the beginning of a message, and its ``recv``
then waits without limit for the rest, from a process that may have been stopped.
"""

import pickle
import select
import socket
import struct
import time
from typing import Generic, TypeVar

Sent = TypeVar("Sent")
Received = TypeVar("Received")

_SIZE = struct.Struct("!Q")


class Link(Generic[Sent, Received]):
    """One end; each direction is for one thread at a time. ``EOFError`` or ``OSError``: the other end is gone."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._readable = select.poll()
        self._readable.register(end, select.POLLIN)
        self._expect(_SIZE.size)

    def send(self, message: Sent) -> None:
        """Send a message; wait while the other end does not read."""
        data = pickle.dumps(message)
        self._socket.sendall(_SIZE.pack(len(data)))
        self._socket.sendall(data)

    def poll(self, timeout_s: float | None) -> bool:
        """Whether a whole message is there, after so long at most (None: without limit); a part of it is kept."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._whole():
            try:
                got = self._socket.recv_into(self._buffer[self._have :], flags=socket.MSG_DONTWAIT)
            except BlockingIOError:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._readable.poll(None if left is None else left * 1000)
                continue
            if not got:
                raise EOFError
            self._have += got
        return True

    def recv(self) -> Received:
        """Return the next message; wait for it without limit: ask ``poll`` first."""
        self.poll(None)
        message: Received = pickle.loads(self._buffer)
        self._expect(_SIZE.size)
        return message

    def close(self) -> None:
        """Let the other end know."""
        self._socket.close()

    def _whole(self) -> bool:
        """Whether nothing is missing; behind a size comes its body."""
        if self._have == len(self._buffer) and not self._in_body:
            self._expect(_SIZE.unpack(self._buffer)[0], body=True)
        return self._have == len(self._buffer)

    def _expect(self, size: int, body: bool = False) -> None:
        self._buffer, self._have, self._in_body = memoryview(bytearray(size)), 0, body
