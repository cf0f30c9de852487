"""A TCP proxy that misbehaves on request, between a client and a real server."""

import contextlib
import select
import socket
import threading
import time


class FaultProxy:
    """Passes bytes on to ``port`` on this machine, which may change: new connections go where it points then.

    ``silent``: connections are accepted and nothing passes, in either direction, until it is False again.
    ``swallow``: the answer to the next request with these bytes is lost, and its connection with it.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = port
        self.silent = False
        self.swallow: bytes | None = None
        self.swallowed = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((host, 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """Break every connection."""
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while self.silent:
                time.sleep(0.01)
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                ends = {client, server}
                self._open |= ends
                try:
                    self._pump(client, server)
                finally:
                    self._open -= ends

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        losing = False
        while True:
            ready, _, _ = select.select([client, server], [], [])
            while self.silent:
                time.sleep(0.01)
            for end in ready:
                data = end.recv(1 << 16)
                if not data:
                    return
                if end is client:
                    losing |= self.swallow is not None and self.swallow in data
                    server.sendall(data)
                elif losing and b"NOSCRIPT" not in data:
                    assert b"-0" in data or b"-1" in data  # entry ids: it was executed
                    self.swallow, self.swallowed = None, self.swallowed + 1
                    return
                else:
                    client.sendall(data)
