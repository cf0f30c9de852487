"""A live camera that does exactly what a test says, faster than real time: colours over TCP, and the clock they move.

The clock moves only as frames are sent, and waits for who watches: so a run gives the same events, ids and all, however
busy the machine is.
"""

import io
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite
from typing import Any
from unittest.mock import patch

import av
import numpy as np

from alignment.aligners.similarity import SimilarityAligner
from tests.support.clocks import SettableClock
from tests.support.serving.servers import tcp
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from tests.support.videos.media import SPEC, camera
from workers.backoff import Backoff
from workers.clock import SystemClock
from workers.decisions.coverage import Watched as Known
from workers.events.event import Event
from workers.redaction import RedactedUrl
from workers.sources.live import buffer as buffering
from workers.sources.live import first_packet, stamps
from workers.sources.live.source import LiveSource
from workers.sources.url import parse_target
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, FrameBatch, SourceItem, SourceSnapshot

FPS = 5
LEAD_S = 1.5  # how far the camera may be ahead of what was looked at: a frame a second is
PROBED_S = 5.5  # how much more it sends to be found out about
PAUSE_S = 3.0  # at most, or it would count as stalled; a busy machine may need as much

Scenes = Sequence[tuple[str, float]]


def encoded(
    scenes: Scenes,
    stamp_s: float = 0.0,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    audio_rate: int | None = None,
    audio_codec: str = "aac",
    audio_s: float = inf,
    container: Mapping[str, str] | None = None,
) -> list[bytes]:
    """Return a transport stream of plain colours, one piece a frame; ``stamp_s``: its first time stamp.

    ``audio_s``: after how much its sound ceases; the muxer must not wait for it then.
    """
    out = io.BytesIO()
    pieces, at = [], 0
    options = {"flush_packets": "1"} | ({"max_interleave_delta": "1"} if isfinite(audio_s) else {})
    with av.open(out, "w", format="mpegts", options=options | dict(container or {})) as media:
        video = media.add_stream(codec, rate=FPS)
        assert isinstance(video, av.VideoStream)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.gop_size = FPS
        video.codec_context.max_b_frames = 0
        video.codec_context.thread_count = 1
        quick = {"preset": "ultrafast", "tune": "zerolatency"}
        if codec != "mpeg2video":
            video.options = {**quick, **({"x265-params": "log-level=none"} if codec == "libx265" else {})}
        sound: Any = media.add_stream(audio_codec, rate=audio_rate, layout="mono") if audio_rate else None
        form, kind, samples = ("fltp", np.float32, 1024) if audio_codec == "aac" else ("s16", np.int16, 1152)
        heard = 0
        colours = [COLOURS[name] for name, seconds in scenes for _ in range(round(seconds * FPS))]
        for n, colour in enumerate(colours):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), colour, np.uint8))
            frame.pts, frame.time_base = round(stamp_s * FPS) + n, Fraction(1, FPS)
            media.mux(video.encode(frame))
            while sound and audio_rate and heard < min((n + 1) / FPS, audio_s) * audio_rate:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, samples), kind), format=form, layout="mono")
                silence.sample_rate, silence.time_base = audio_rate, Fraction(1, audio_rate)
                silence.pts = round(stamp_s * audio_rate) + heard
                media.mux(sound.encode(silence))
                heard += samples
            pieces.append(out.getvalue()[at:])
            at = out.tell()
    return pieces


class Camera:
    """One connection of the camera. ``looked`` tells how many frames were looked at in all."""

    def __init__(self, connection: socket.socket, clock: "SettableClock", looked: Callable[[], int]) -> None:
        self.connection, self.clock = connection, clock
        self._looked = looked
        self._began = self._last_count = looked()
        self._sent_s = self._last_s = 0.0

    def send(self, pieces: Sequence[bytes], blindly: bool = False) -> None:
        """Send frames, each in its time; ``blindly``: such as nobody can look at."""
        for piece in pieces:
            until = time.monotonic() + (0.02 if blindly else PAUSE_S)
            while self._unseen_s() > LEAD_S and time.monotonic() < until:
                time.sleep(0.002)
            self.connection.sendall(piece)
            self._sent_s += 1 / FPS
            self.clock.now += 1 / FPS

    def _unseen_s(self) -> float:
        """Return how much was sent since a frame was last looked at; what is sent to be probed does not count."""
        count = self._looked()
        if count != self._last_count:
            self._last_count, self._last_s = count, self._sent_s
        return self._sent_s - self._last_s - (PROBED_S if count == self._began else 0.0)

    def garble(self, size: int, seed: int) -> None:
        """Send bytes that are nothing."""
        self.connection.sendall(random.Random(seed).randbytes(size))

    def wait_for_looks(self) -> None:
        """Wait until a frame was looked at for every second sent."""
        until = time.monotonic() + 5
        while self._looked() - self._began < round(self._sent_s) and time.monotonic() < until:
            time.sleep(0.005)

    def wait_for_hangup(self) -> None:
        """Send nothing more until the other side goes away."""
        with suppress(OSError):
            while self.connection.recv(4096):
                pass

    def reset(self) -> None:
        """Break the connection off, as a machine does that was switched off and on."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Visit = Callable[[Camera], None]


@dataclass
class Watched:
    """What came of it; times relative to the first connection."""

    events: tuple[Event, ...]
    began: float
    source: SourceSnapshot
    known: Mapping[str, Known]  # since and until when each event is known, when the camera has come to its end

    def occurrences(self) -> list[tuple[str, float, float]]:
        """Return the name, start and end of each; every one must have begun once, ended, and lost no revision."""
        found = []
        for name in dict.fromkeys(e.id for e in self.events):
            mine = [e for e in self.events if e.id == name]
            assert [e.revision for e in mine] == list(range(len(mine))), mine
            assert [e.type for e in mine].count("new") == 1, mine
            assert mine[-1].type == "end", mine
            found.append((mine[-1].event, mine[-1].start - self.began, mine[-1].end - self.began))
        return sorted(found, key=lambda x: x[1])

    def ids(self) -> list[str]:
        """Return the ids in order of publication."""
        return list(dict.fromkeys(e.id for e in self.events))


class Studio:
    """Cameras that are all found at one address, so that the same content at the same time is the same session."""

    def __init__(self) -> None:
        self.port = 0
        self._serve: Callable[[socket.socket], None] = lambda _: None

    def serve(self, connection: socket.socket) -> None:
        """Answer a connection as the running camera does."""
        self._serve(connection)

    def watch(self, *visits: Visit, audio: bool = False, scheme: str = "tcp", stall_s: float = 60.0) -> Watched:
        """Watch a camera that answers its first, second, … connection by ``visits``; stop when the last is over."""
        clock, encoder, sink = SettableClock(), ColourEncoder(), MemorySink()
        began, over, stopped, count = clock.wall(), threading.Event(), threading.Event(), iter(visits)
        url = RedactedUrl(f"{scheme}://127.0.0.1:{self.port}/cam")
        spec = CameraSpec("cam", url, audio=audio, open_timeout_s=6.0, read_timeout_s=4.0, stall_timeout_s=stall_s)
        description = encoder.describe()
        backoff = Backoff(clock, first_s=0.05, max_s=0.2)
        source = LiveSource(spec, parse_target(url), description.frame_spec, clock, backoff)
        aligner, services = SimilarityAligner(description.calibration), services_of(encoder, sink)
        events = tuple(EventSpec(e, (e,)) for e in ("red", "blue"))
        stream = StreamPipeline(spec, events, source, aligner, services, clock=clock)

        def serve(connection: socket.socket) -> None:
            visit = next(count, None)
            if visit is not None:
                if scheme == "http":
                    connection.recv(4096)
                camera = Camera(connection, clock, lambda: encoder.calls)
                try:
                    visit(camera)
                finally:
                    if visit is visits[-1]:
                        over.set()
                        stopped.wait(30)

        self._serve = serve
        thread = threading.Thread(target=stream.run)
        thread.start()
        assert over.wait(40), f"the camera never came to its end: {source.snapshot()}"
        _settle(lambda: (source.snapshot().frames_sampled, encoder.calls))
        state, known = source.snapshot(), stream.snapshot().watched
        stream.stop()
        stopped.set()
        thread.join(10)
        assert not thread.is_alive()
        return Watched(sink.events, began, state, known)


@contextmanager
def studio() -> Iterator[Studio]:
    """Serve at one address of this machine.

    Time is the camera's, many times faster than real: a busy machine is late by it, which is no overload here, and says
    nothing about the camera's clock.
    """
    made = Studio()
    late = patch.multiple(stamps, QUEUE_S=inf, DOUBT_S=inf)
    quick = patch.object(first_packet, "WAITED_S", inf)  # the clock moves while packets are read that came before
    with tcp(made.serve) as made.port, patch.object(buffering, "STANDING_S", inf), late, quick:
        yield made


def _settle(counts: Callable[[], tuple[int, int]]) -> None:
    """Wait until nothing changes any more and everything sampled was looked at."""
    last, since = counts(), time.monotonic()
    until = since + 20
    while time.monotonic() - since < 0.3 or last[0] != last[1]:
        assert time.monotonic() < until, f"sampled and looked at: {last}"
        time.sleep(0.02)
        if counts() != last:
            last, since = counts(), time.monotonic()


X264 = {"x264-params": "keyint=25:bframes=0:scenecut=0", "tune": "zerolatency"}


def live(url: str, **changes: Any) -> LiveSource:
    spec = camera(url, **{"fps": 5.0, **changes})
    clock = SystemClock()
    return LiveSource(spec, parse_target(spec.url), SPEC, clock, Backoff(clock, first_s=0.1, max_s=0.4))


def take(source: LiveSource, enough: Callable[[list[SourceItem]], bool], seconds: float = 12.0) -> list[SourceItem]:
    """Collect items until ``enough`` or the time is up, which is a failure."""
    got: list[SourceItem] = []
    timer = threading.Timer(seconds, source.stop)
    timer.start()
    for item in source.items():
        got.append(item)
        if enough(got):
            break
    timer.cancel()
    done = enough(got)
    source.stop()
    assert done, f"after {seconds} s: {len(got)} items, {source.snapshot()}"
    return got


def frames(items: list[SourceItem]) -> list[FrameBatch]:
    return [i for i in items if isinstance(i, FrameBatch)]
