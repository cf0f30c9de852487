"""Clips and full frames from a decoder process, over a channel of their own: they wait for no frame, and delay none."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import NoReturn

from alignment.errors import WatchwordError
from workers.errors import ClipUnavailable
from workers.sources.base import Source
from workers.sources.isolation.channel import Channel
from workers.types import Clip

TIMEOUT_S = 300.0  # of one clip: one that is encoded again takes longer than it plays
PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Hold:
    """Request: keep what arrives from ``since`` on; see ``Source.hold``. No response."""

    since: float | None


@dataclass(frozen=True, slots=True)
class MakeClip:
    """Request: a clip. Response: ``Part`` for each piece of it, then ``Made``, or ``Failed``."""

    number: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class MakePicture:
    """Request: a full frame. Response: as to ``MakeClip``."""

    number: int
    t: float


@dataclass(frozen=True, slots=True)
class Part:
    """Response: the next piece of what was requested under ``number``."""

    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """Response: it is complete; ``start`` and ``end``: what a clip shows, stream seconds."""

    number: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Response: it cannot be made."""

    number: int
    error: WatchwordError


EvidenceRequest = Hold | MakeClip | MakePicture
EvidenceResponse = Part | Made | Failed


class EvidenceClient:
    """The end of the daemon; thread-safe. Methods raise ``ClipUnavailable``, also where the process has ended."""

    def __init__(self, channel: Channel[EvidenceRequest, EvidenceResponse]) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._numbers = count()

    def hold(self, since: float | None) -> None:
        """Ask to keep what arrives from ``since`` on."""
        with self._lock:
            self._send(Hold(since))

    def clip(self, start: float, end: float) -> Clip:
        """Return a clip."""
        with self._lock:
            content, made = self._result(MakeClip(next(self._numbers), start, end))
        return Clip(made.start, made.end, content)

    def picture(self, t: float) -> bytes:
        """Return the frame of a time as JPEG."""
        with self._lock:
            return self._result(MakePicture(next(self._numbers), t))[0]

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _send(self, request: EvidenceRequest) -> None:
        try:
            self._channel.send(request)
        except OSError:
            _gone()

    def _result(self, request: MakeClip | MakePicture) -> tuple[bytes, Made]:
        self._send(request)
        parts = list[bytes]()
        while True:
            try:
                if not self._channel.poll(TIMEOUT_S):
                    raise ClipUnavailable(f"it was not made within {TIMEOUT_S:.0f} s", "the machine is overloaded")
                response = self._channel.recv()
            except (EOFError, OSError):
                _gone()
            if response.number != request.number:
                continue  # of an earlier request, which was given up
            if isinstance(response, Part):
                parts.append(response.content)
            elif isinstance(response, Failed):
                raise response.error
            else:
                return b"".join(parts), response


def _gone() -> NoReturn:
    raise ClipUnavailable("the decoder has ended", "the stream is restarted; what it had kept is lost") from None


class EvidenceServer:
    """The end of the decoder process. ``source`` returns the source that is being decoded, if any."""

    def __init__(
        self, channel: Channel[EvidenceResponse, EvidenceRequest], source: Callable[[], Source | None]
    ) -> None:
        self._channel, self._source = channel, source

    def start(self) -> None:
        """Serve in a thread until the other end closes."""
        threading.Thread(target=self._serve, name="evidence", daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                request = self._channel.recv()
                try:
                    self._handle(request)
                except WatchwordError as error:
                    self._fail(request, error)
                except (MemoryError, Exception) as error:  # boundary: whatever a codec raises, other clips go on
                    self._fail(request, ClipUnavailable(f"it cannot be made: {error!r}"))
        except (EOFError, OSError):
            return  # the main thread ends the process

    def _handle(self, request: EvidenceRequest) -> None:
        source = self._source()
        if source is None:
            raise ClipUnavailable("the source is closed")
        if isinstance(request, Hold):
            source.hold(request.since)
            return
        if isinstance(request, MakeClip):
            clip = source.clip(request.start, request.end)
            content, made = clip.content, Made(request.number, clip.start, clip.end)
        else:
            content, made = source.picture(request.t), Made(request.number, request.t, request.t)
        for at in range(0, len(content), PART_BYTES):
            self._channel.send(Part(request.number, content[at : at + PART_BYTES]))
        self._channel.send(made)

    def _fail(self, request: EvidenceRequest, error: WatchwordError) -> None:
        if not isinstance(request, Hold):
            self._channel.send(Failed(request.number, error))
