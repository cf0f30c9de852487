"""The process that decodes for another one: ``python -c "from workers.sources.decoder import main; main()" FD HOOK``.

It reads one source after the other at the other end's bidding, under the kernel's limits, and ends with that end.
Signals are for the process that asked: it drains, and its decoders with it.
"""

import os
import queue
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from pkgutil import resolve_name

from alignment.errors import WatchwordError
from workers.confinement import confine
from workers.errors import SourceError
from workers.sources.base import Source
from workers.sources.factory import build_source
from workers.sources.link import Link
from workers.types import CameraSpec, FrameSpec, SourceInfo, SourceItem, SourceSnapshot

SNAPSHOT_S = 0.5


@dataclass(frozen=True, slots=True)
class Open:
    """Open this source; answered by a ``SourceInfo`` or an error."""

    camera: CameraSpec
    frames: FrameSpec


@dataclass(frozen=True, slots=True)
class Read:
    """Send all items; answered by them and ``Ended``, or an error."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Let ``Read`` end soon; not answered."""


@dataclass(frozen=True, slots=True)
class Close:
    """Free the source; answered by ``Closed``, the last word about it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The source has no more items."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The source is freed."""


Order = Open | Read | Stop | Close
Answer = SourceInfo | SourceItem | SourceSnapshot | Ended | Closed | WatchwordError


def main() -> None:
    """Serve until the other end is gone."""
    descriptor, hook = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if hook:
        resolve_name(hook)()
    Decoder(Link(socket.socket(fileno=int(descriptor)))).serve()


class Decoder:
    """One source at a time. Orders are taken by one thread, so that a stop is heard while another one decodes."""

    def __init__(self, link: Link[Answer, Order]) -> None:
        self._link = link
        self._sending = threading.Lock()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._source: Source | None = None
        self._confined = False

    def serve(self) -> None:
        """Obey until the connection ends; then the process does, whatever it is doing."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        threading.Thread(target=self._report, name="snapshots", daemon=True).start()
        while True:
            order = self._orders.get()
            try:
                self._obey(order)
            except WatchwordError as error:
                self._send(error)
            except Exception as error:  # the other end must learn of it, whatever it was
                self._send(SourceError(f"decoding failed: {error!r}", "this is a bug: please report it"))

    def _obey(self, order: Order) -> None:
        if isinstance(order, Open):
            if not self._confined:
                confine(order.camera.limits.memory_mib)
                self._confined = True
            self._source = build_source(order.camera, order.frames)
            self._send(self._source.open())
        elif isinstance(order, Read) and self._source is not None:
            for item in self._source.items():
                self._send(item)
            self._send(self._source.snapshot())
            self._send(Ended())
        elif isinstance(order, Close):
            with self._sending:
                source, self._source = self._source, None
            if source is not None:
                source.close()
            self._send(Closed())

    def _listen(self) -> None:
        try:
            while True:
                order = self._link.recv()
                source = self._source
                if isinstance(order, Stop) and source is not None:
                    source.stop()
                else:
                    self._orders.put(order)
        except (EOFError, OSError):
            os._exit(0)

    def _report(self) -> None:
        """Send the counters now and then: they also show that something gets on."""
        pause = threading.Event()
        while not pause.wait(SNAPSHOT_S):
            with self._sending:
                if self._source is not None:
                    self._put(self._source.snapshot())

    def _send(self, answer: Answer) -> None:
        with self._sending:
            self._put(answer)

    def _put(self, answer: Answer) -> None:
        try:
            self._link.send(answer)
        except OSError:
            os._exit(0)
