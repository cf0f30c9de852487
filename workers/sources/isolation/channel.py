"""A channel of pickled messages over a socket, between the daemon and a decoder process.

``multiprocessing.connection.Connection`` is not enough: its ``poll`` is true for a partial message, and its ``recv``
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


class Channel(Generic[Sent, Received]):
    """One end; one thread at a time per direction. ``EOFError`` or ``OSError``: the other end is closed."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._readable = select.poll()
        self._readable.register(end, select.POLLIN)
        self._expect(_SIZE.size)

    def send(self, message: Sent) -> None:
        """Send a message; block while the other end does not read."""
        data = pickle.dumps(message)
        self._socket.sendall(_SIZE.pack(len(data)))
        self._socket.sendall(data)

    def poll(self, timeout_s: float | None) -> bool:
        """Return whether a complete message arrived within ``timeout_s`` (None: no limit); keep a partial one."""
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
        """Return the next message; wait without limit, so call ``poll`` first."""
        self.poll(None)
        message: Received = pickle.loads(self._buffer)
        self._expect(_SIZE.size)
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _whole(self) -> bool:
        """Return whether the expected bytes are complete; after a size, expect its body."""
        if self._have == len(self._buffer) and not self._in_body:
            self._expect(_SIZE.unpack(self._buffer)[0], body=True)
        return self._have == len(self._buffer)

    def _expect(self, size: int, body: bool = False) -> None:
        self._buffer, self._have, self._in_body = memoryview(bytearray(size)), 0, body
