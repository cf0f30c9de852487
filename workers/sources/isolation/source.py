"""Sources that another process decodes, under limits on memory and time, for the local runtime.

A file that needs too much memory, crashes a decoder or never ends affects that process only. The limits are not a
sandbox: decoder and daemon run as the same user and trust each other's messages.
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
from workers.errors import ClipUnavailable, SourceCrashed, SourceError, SourceTimeout
from workers.sources.base import Source
from workers.sources.factory import build_source
from workers.sources.ffmpeg_errors import make
from workers.sources.isolation.channel import Channel
from workers.sources.isolation.evidence import EvidenceClient
from workers.sources.isolation.process import Close, Closed, Ended, Open, Read, Request, Response, Stop
from workers.sources.url import parse_target
from workers.types import (
    AudioChunk,
    CameraSpec,
    Clip,
    FrameBatch,
    FrameSpec,
    Interruption,
    SourceInfo,
    SourceItem,
    SourceSnapshot,
)

OPEN_SLACK_S = 20.0  # added to the camera's own limit, which FFmpeg does not always keep
STUCK_STALLS = 4  # stall timeouts without progress
CLOSE_S = 2.0
POLL_S = 0.25
_CODE = "from workers.sources.isolation.process import main; main()"


class DecoderProcess:
    """A decoder process and its channel. The process first calls ``hook``, a ``package.module:function``.

    ``errors`` is a file descriptor for its standard error; None: that of this process.
    """

    def __init__(self, environment: Mapping[str, str], hook: str, errors: int | None = None) -> None:
        ours, theirs = socket.socketpair()
        our_evidence, their_evidence = socket.socketpair()
        self.channel: Channel[Request, Response] = Channel(ours)
        self.evidence = EvidenceClient(Channel(our_evidence))
        # The same modules as in this process, and none of the current folder (-P).
        path = os.pathsep.join(entry for entry in sys.path if entry)
        with theirs, their_evidence:
            ends = theirs.fileno(), their_evidence.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, *map(str, ends), hook],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment, "PYTHONPATH": path},
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                process_group=0,  # Ctrl-C in a terminal is for the daemon, which drains
            )

    def end(self) -> int:
        """End the process if it still runs; return its exit code, or minus the signal's number."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # the channel closes a little before the process exits
        self._process.kill()
        self.channel.close()
        self.evidence.close()
        return self._process.wait()


class DecoderPool:
    """A pool of idle decoder processes; starting one takes a third of a second. Arguments: of ``DecoderProcess``."""

    def __init__(self, environment: Mapping[str, str], hook: str = "", errors: int | None = None) -> None:
        self._environment, self._hook, self._errors = dict(environment), hook, errors
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []
        self._closed = False

    def build(self, camera: CameraSpec, frames: FrameSpec, clock: Clock) -> Source:
        """Return an isolated source, unopened; a test pattern is trusted and stays in this process."""
        if parse_target(camera.url).kind == "synthetic":
            return build_source(camera, frames, clock)
        return IsolatedSource(camera, frames, self)

    def take(self) -> DecoderProcess:
        """Return an idle or new decoder."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return DecoderProcess(self._environment, self._hook, self._errors)

    def give_back(self, decoder: DecoderProcess) -> None:
        """Take back a decoder that closed its source normally."""
        with self._lock:
            if not self._closed:
                self._idle.append(decoder)
                return
        decoder.end()

    def close(self) -> None:
        """End the idle decoders, and those that are given back later."""
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
        """Open and probe; raise a ``SourceError``, also if ``stop`` is called meanwhile."""
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
                raise self._lost(SourceTimeout, "it was stopped while opening")

    def items(self) -> Iterator[SourceItem]:
        """Yield what the decoder sends; raise a ``SourceError``, also if the decoder exited or stalled."""
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
                continue  # it is alive, but made no progress
            deadline = time.monotonic() + patience

    def stop(self) -> None:
        """Make ``items`` end soon."""
        self._stop.set()
        self._send(Stop())

    def snapshot(self) -> SourceSnapshot:
        """Return the counters that the decoder sent last."""
        return self._snapshot

    def hold(self, since: float | None) -> None:
        """Ask the decoder to keep what arrives from ``since`` on."""
        self._evidence().hold(since)

    def clip(self, start: float, end: float) -> Clip:
        """Return a clip that the decoder makes."""
        return self._evidence().clip(start, end)

    def picture(self, t: float) -> bytes:
        """Return a frame that the decoder decodes."""
        return self._evidence().picture(t)

    def _evidence(self) -> EvidenceClient:
        decoder = self._decoder  # another thread may take it away
        if decoder is None:
            raise ClipUnavailable("the source is closed")
        return decoder.evidence

    def close(self) -> None:
        """Make the decoder close the source; end the process if that takes too long."""
        self._send(Stop())
        self._send(Close())
        with self._sending:
            decoder, self._decoder = self._decoder, None
        if decoder is not None and not self._closes(decoder):
            decoder.end()

    def _closes(self, decoder: DecoderProcess) -> bool:
        deadline = time.monotonic() + CLOSE_S
        try:
            while decoder.channel.poll(max(0.0, deadline - time.monotonic())):
                answer = decoder.channel.recv()
                if isinstance(answer, SourceSnapshot):
                    self._snapshot = answer
                elif isinstance(answer, Closed):
                    self._pool.give_back(decoder)
                    return True
        except (EOFError, OSError):
            pass
        return False

    def _send(self, request: Request) -> None:
        """Send a request if there is a decoder; a closed channel is noticed when the response is read."""
        with self._sending, suppress(OSError):
            if self._decoder is not None:
                self._decoder.channel.send(request)

    def _receive(self, deadline: float) -> Response | None:
        """Return the next response, or None if ``stop`` was called first; raise a response that is an error."""
        decoder = self._decoder
        assert decoder is not None
        try:
            while not decoder.channel.poll(POLL_S):
                if self._stop.is_set():
                    return None
                if time.monotonic() > deadline:
                    raise self._lost(SourceTimeout, "decoding made no progress")
            answer = decoder.channel.recv()
        except (EOFError, OSError):
            raise self._lost(SourceCrashed, "its decoder exited") from None
        if isinstance(answer, WatchwordError):
            raise answer
        if isinstance(answer, SourceSnapshot):
            self._snapshot = answer
        return answer

    def _lost(self, kind: type[SourceError], reason: str) -> SourceError:
        """End the decoder and return the error to raise."""
        with self._sending:
            decoder, self._decoder = self._decoder, None
        status = decoder.end() if decoder else 0
        return make(kind, self._camera.name, self._camera.url, f"{reason}, status {status}")
