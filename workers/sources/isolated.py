"""Sources that are decoded by another process, under limits on memory and time, for a runtime that is one process.

A file that needs too much memory, crashes a decoder or makes it run for ever costs only that process. The limits are
no sandbox: decoder and daemon are the same user, and trust each other's messages.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from alignment.errors import WatchwordError
from workers.clock import Clock
from workers.errors import SourceCrashed, SourceError, SourceTimeout
from workers.sources.base import Source
from workers.sources.decoder import Answer, Close, Closed, Ended, Open, Order, Read, Stop
from workers.sources.factory import build_source
from workers.sources.link import Link
from workers.sources.native import make
from workers.sources.url import parse_target
from workers.types import (
    AudioChunk,
    CameraSpec,
    FrameBatch,
    FrameSpec,
    Interruption,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

OPEN_SLACK_S = 20.0  # beyond the camera's own limit, which FFmpeg keeps where it looks at the clock
STUCK_STALLS = 4  # stall timeouts without progress
CLOSE_S = 2.0
POLL_S = 0.25
_CODE = "from workers.sources.decoder import main; main()"


class DecoderProcess:
    """One decoder and the connection to it. ``hook`` is called there first, such as ``package.module:function``."""

    def __init__(self, environment: Mapping[str, str], hook: str) -> None:
        ours, theirs = socket.socketpair()
        self.link: Link[Order, Answer] = Link(ours)
        # The same modules as here, and none of the folder that we happen to stand in (-P).
        path = os.pathsep.join(entry for entry in sys.path if entry)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, str(theirs.fileno()), hook],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment, "PYTHONPATH": path},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C in a terminal is for the daemon, which drains
            )

    def end(self) -> int:
        """End it now, unless it has; return how it ended: an exit code, or minus a signal's number."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # a connection breaks a little before its process has ended
        self._process.kill()
        self.link.close()
        return self._process.wait()


class DecoderPool:
    """Decoders that wait for their next source; starting one costs a third of a second."""

    def __init__(self, environment: Mapping[str, str], hook: str = "") -> None:
        self._environment, self._hook = dict(environment), hook
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []
        self._closed = False

    def build(self, camera: CameraSpec, frames: FrameSpec, clock: Clock) -> Source:
        """Return an isolated source, unopened; a test pattern is ours, and stays here."""
        if parse_target(camera.url).kind == "synthetic":
            return build_source(camera, frames, clock)
        return IsolatedSource(camera, frames, self)

    def take(self) -> DecoderProcess:
        """Return a decoder that nobody else has."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return DecoderProcess(self._environment, self._hook)

    def give_back(self, decoder: DecoderProcess) -> None:
        """Take back a decoder that closed its source in good order."""
        with self._lock:
            if not self._closed:
                self._idle.append(decoder)
                return
        decoder.end()

    def close(self) -> None:
        """End the decoders that wait, and those that are given back later."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for decoder in idle:
            decoder.end()


class IsolatedSource:
    """See ``Source``."""

    def __init__(self, camera: CameraSpec, frames: FrameSpec, pool: DecoderPool) -> None:
        self._camera, self._frames, self._pool = camera, frames, pool
        self._decoder: DecoderProcess | None = None
        self._snapshot = SourceSnapshot()
        self._stop = threading.Event()
        self._sending = threading.Lock()

    def open(self) -> SourceInfo:
        """Open and probe; raise a ``SourceError``, also where ``stop`` comes first: FFmpeg does not hear it."""
        if self._decoder is None:
            self._decoder = self._pool.take()
        self._send(Open(self._camera, self._frames))
        limit = self._camera.open_timeout_s + self._camera.read_timeout_s + OPEN_SLACK_S
        deadline = time.monotonic() + limit
        while True:
            answer = self._receive(deadline)
            if isinstance(answer, SourceInfo):
                return answer
            if answer is None:
                raise self._lost(SourceTimeout, "it was stopped while it was being opened")

    def items(self) -> Iterator[SourceItem]:
        """Yield what the decoder sends; raise a ``SourceError``, also where it ended or stands still."""
        if self._decoder is None:
            self.open()
        self._send(Read())
        patience = STUCK_STALLS * self._camera.stall_timeout_s
        deadline = time.monotonic() + patience
        while not self._stop.is_set():
            known = self._snapshot
            answer = self._receive(deadline)
            if isinstance(answer, Ended):
                return
            if isinstance(answer, FrameBatch | AudioChunk | Interruption):
                yield answer
            elif answer == known and self._snapshot.up:
                continue  # it lives, but has not got on
            deadline = time.monotonic() + patience

    def stop(self) -> None:
        """Make ``items`` end soon."""
        self._stop.set()
        self._send(Stop())

    def snapshot(self) -> SourceSnapshot:
        """Return the counters as the decoder sent them last."""
        return self._snapshot

    def close(self) -> None:
        """Let the decoder free the source; end it if that takes long."""
        self._send(Stop())
        self._send(Close())
        with self._sending:
            decoder, self._decoder = self._decoder, None
        if decoder is not None and not self._closes(decoder):
            decoder.end()

    def _closes(self, decoder: DecoderProcess) -> bool:
        deadline = time.monotonic() + CLOSE_S
        try:
            while decoder.link.poll(max(0.0, deadline - time.monotonic())):
                answer = decoder.link.recv()
                if isinstance(answer, SourceSnapshot):
                    self._snapshot = answer
                elif isinstance(answer, Closed):
                    self._pool.give_back(decoder)
                    return True
        except (EOFError, OSError):
            pass
        return False

    def _send(self, order: Order) -> None:
        """Send an order, if there is somebody to obey; a broken connection shows when the answer is read."""
        with self._sending, suppress(OSError):
            if self._decoder is not None:
                self._decoder.link.send(order)

    def _receive(self, deadline: float) -> Answer | None:
        """Return the next answer, None where a stop came first; raise what it tells."""
        decoder = self._decoder
        assert decoder is not None
        try:
            while not decoder.link.poll(POLL_S):
                if self._stop.is_set():
                    return None
                if time.monotonic() > deadline:
                    raise self._lost(SourceTimeout, "decoding does not get on")
            answer = decoder.link.recv()
        except (EOFError, OSError):
            raise self._lost(SourceCrashed, "its decoder ended") from None
        if isinstance(answer, WatchwordError):
            raise answer
        if isinstance(answer, SourceSnapshot):
            self._snapshot = answer
        return answer

    def _lost(self, kind: type[SourceError], reason: str) -> SourceError:
        """Give the decoder up and return the error that says so."""
        with self._sending:
            decoder, self._decoder = self._decoder, None
        status = decoder.end() if decoder else 0
        return make(kind, self._camera.name, self._camera.url, f"{reason}, status {status}")
