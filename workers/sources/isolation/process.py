"""The decoder process, started as ``main(FD, EVIDENCE_FD, HOOK)`` of this module.

It decodes one source after another on request, under kernel limits, and exits when the other end closes. It ignores
signals: the daemon handles them and drains its decoders.
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
from workers.errors import SourceError
from workers.rlimits import confine
from workers.sources.base import Source
from workers.sources.factory import build_source
from workers.sources.isolation.channel import Channel
from workers.sources.isolation.evidence import EvidenceServer
from workers.types import CameraSpec, FrameSpec, SourceInfo, SourceItem, SourceSnapshot

SNAPSHOT_S = 0.5


@dataclass(frozen=True, slots=True)
class Open:
    """Request: open this source. Response: a ``SourceInfo`` or an error."""

    camera: CameraSpec
    frames: FrameSpec


@dataclass(frozen=True, slots=True)
class Read:
    """Request: read all items. Response: the items and ``Ended``, or an error."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Request: end ``Read`` soon. No response."""


@dataclass(frozen=True, slots=True)
class Close:
    """Request: close the source. Response: ``Closed``, the last one of this source."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Response: the source has no more items."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Response: the source is closed."""


Request = Open | Read | Stop | Close
Response = SourceInfo | SourceItem | SourceSnapshot | Ended | Closed | WatchwordError


def main() -> None:
    """Serve until the other end closes."""
    descriptor, evidence, hook = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if hook:
        resolve_name(hook)()
    decoder = Decoder(Channel(socket.socket(fileno=int(descriptor))))
    EvidenceServer(Channel(socket.socket(fileno=int(evidence))), lambda: decoder.source).start()
    decoder.serve()


class Decoder:
    """Serves one source at a time. One thread receives requests, so that a stop arrives while another one decodes."""

    def __init__(self, channel: Channel[Response, Request]) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self.source: Source | None = None
        self._confined = False

    def serve(self) -> None:
        """Serve requests until the connection closes; then exit the process, whatever it is doing."""
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        threading.Thread(target=self._report, name="snapshots", daemon=True).start()
        while True:
            request = self._requests.get()
            try:
                self._handle(request)
            except WatchwordError as error:
                self._send(error)
            except Exception as error:  # report any error to the other end
                self._send(SourceError(f"decoding failed: {error!r}", "this is a bug: please report it"))

    def _handle(self, request: Request) -> None:
        if isinstance(request, Open):
            if not self._confined:
                confine(request.camera.limits.memory_mib)
                self._confined = True
            self.source = build_source(request.camera, request.frames)
            self._send(self.source.open())
        elif isinstance(request, Read) and self.source is not None:
            for item in self.source.items():
                self._send(item)
            self._send(self.source.snapshot())
            self._send(Ended())
        elif isinstance(request, Close):
            with self._sending:
                source, self.source = self.source, None
            if source is not None:
                source.close()
            self._send(Closed())

    def _listen(self) -> None:
        try:
            while True:
                request = self._channel.recv()
                source = self.source
                if isinstance(request, Stop) and source is not None:
                    source.stop()
                else:
                    self._requests.put(request)
        except (EOFError, OSError):
            os._exit(0)

    def _report(self) -> None:
        """Send the counters regularly: they also show progress."""
        pause = threading.Event()
        while not pause.wait(SNAPSHOT_S):
            with self._sending:
                if self.source is not None:
                    self._put(self.source.snapshot())

    def _send(self, response: Response) -> None:
        with self._sending:
            self._put(response)

    def _put(self, response: Response) -> None:
        try:
            self._channel.send(response)
        except OSError:
            os._exit(0)
