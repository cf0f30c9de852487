"""Bad networks: a TCP proxy with faults, and a camera behind a lossy link in a network namespace of its own.

The kernel's netem is not everywhere, so the link is made here: a TUN device on either side, and threads that carry IP
packets between them (https://docs.kernel.org/networking/tuntap.html). Needs root, iproute2 and /dev/net/tun.
"""

import fcntl
import heapq
import itertools
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest

from tests.support.programs.processes import process


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
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
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


TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_NUMBERS = itertools.count(1)


@dataclass
class Link:
    """How the network is at the moment; may be changed while it is used. Each way alike."""

    loss: float = 0.0  # share of packets
    delay_s: float = 0.0
    jitter_s: float = 0.0  # up to this much more; packets stay in order, as in a queue
    up: bool = True
    host: str = ""  # the camera's address
    here: str = ""  # ours
    namespace: str = ""

    def command(self, *command: str) -> tuple[str, ...]:
        """Return ``command`` as it runs on the camera's side."""
        return ("ip", "netns", "exec", self.namespace, *command)


def why_not() -> str:
    """Return why there can be no such network here; "" where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not (shutil.which("ip") and os.path.exists("/dev/net/tun")):
        return "needs the Debian package iproute2 and /dev/net/tun"
    probe = f"ww{os.getpid()}p{next(_NUMBERS)}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


@contextmanager
def bad_network(seed: int = 0, **how: float) -> Iterator[Link]:
    """Make a link that behaves as ``how`` says; skip the test where that cannot be."""
    if reason := why_not():
        pytest.skip(reason)
    number = next(_NUMBERS)
    name = f"ww{os.getpid() % 100_000}n{number}"
    net = f"198.18.{(8 * os.getpid() + number) % 256}"  # of the range for such tests (RFC 2544)
    link = Link(**how, host=f"{net}.2", here=f"{net}.1", namespace=name)  # type: ignore[arg-type]  # figures only
    with ExitStack() as undo:
        _ip("netns", "add", name)
        undo.callback(_ip, "netns", "del", name)
        near, far = _tun(f"{name}a"), _tun(f"{name}b")
        undo.callback(os.close, near)
        undo.callback(os.close, far)
        _ip("link", "set", f"{name}b", "netns", name)
        for at, device, address in ((), f"{name}a", link.here), (("-n", name), f"{name}b", link.host):
            _ip(*at, "address", "add", f"{address}/24", "dev", device)
            _ip(*at, "link", "set", device, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        over = threading.Event()
        carriers = [
            threading.Thread(target=_carry, args=(a, b, link, random.Random(seed + n), over))
            for n, (a, b) in enumerate(((near, far), (far, near)))
        ]
        for carrier in carriers:
            carrier.start()
            undo.callback(carrier.join)
        undo.callback(over.set)
        yield link


@contextmanager
def on_the_far_side(link: Link, *command: str) -> Iterator[None]:
    """Run a program beside the camera until the block ends."""
    with process(*link.command(*command)):
        yield


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _tun(name: str) -> int:
    """Make a TUN device; it lives as long as the descriptor that is returned, wherever it is moved."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def _carry(source: int, target: int, link: Link, chance: random.Random, over: threading.Event) -> None:
    """Carry packets one way until ``over``."""
    waiting: list[tuple[float, int, bytes]] = []
    last, order = 0.0, itertools.count()
    while not over.is_set():
        wait = min(0.05, max(0.0, waiting[0][0] - time.monotonic())) if waiting else 0.05
        if select.select([source], [], [], wait)[0]:
            packet = os.read(source, 65536)
            if link.up and chance.random() >= link.loss:
                last = max(last, time.monotonic() + link.delay_s + chance.random() * link.jitter_s)
                heapq.heappush(waiting, (last, next(order), packet))
        while waiting and waiting[0][0] <= time.monotonic():
            packet = heapq.heappop(waiting)[2]
            if link.up:
                os.write(target, packet)
