"""Live cameras of two pictures in turns, and an encoder that takes its time: exactly as much work as a test wants.

Everything behind the decoder is real: buffer, reader, batcher, pipeline, spans.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from alignment.aligners.base import Aligner, Scorer
from alignment.aligners.similarity import SimilarityAligner
from alignment.types import F32, EventQuery, FeatureWindow, ScoreTrack
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.clock import Clock
from workers.events.event import Event
from workers.redaction import RedactedUrl
from workers.services.batcher import FrameBatcher
from workers.services.clients import EncoderClient
from workers.services.scheduler import RequestContext, request_context
from workers.sources.base import WithoutClips
from workers.sources.counters import Counters
from workers.sources.live.buffer import FreshBuffer
from workers.stream.pipeline import StreamPipeline
from workers.types import U8, CameraSpec, EventSpec, FrameBatch, Receipt, SourceInfo, SourceItem, SourceSnapshot

GOLDEN = 0.618034  # multiples of it spread evenly over the time from frame to frame
RED = EventSpec("red", ("red",), min_duration_s=1.0, merge_gap_s=0.5)
Pictures = tuple[U8, U8]  # with the event and without, u8[H, W, 3]
RED_AND_GREY: Pictures = tuple(np.full((32, 32, 3), COLOURS[name], np.uint8) for name in ("red", "grey"))  # type: ignore[assignment]  # two


class Encoding(Protocol):
    """What all cameras share: an encoder, and pictures in which it does and does not find an event."""

    pictures: Pictures
    event: EventSpec

    def client(self, turn: RequestContext) -> EncoderClient:
        """Return the encoder as one stream sees it."""
        ...

    def aligner(self, turn: RequestContext) -> Aligner:
        """Return a stream's aligner."""
        ...


class BusyEncoder:
    """An encoder that takes ``frame_s`` for each frame, shared by streams through the real batcher."""

    pictures, event = RED_AND_GREY, RED

    def __init__(self, frame_s: float, clock: Clock) -> None:
        self._frame_s, self._clock, self._colours = frame_s, clock, ColourEncoder()
        self.batcher = FrameBatcher(self._encode, clock=clock)

    def client(self, turn: RequestContext) -> ColourEncoder:
        """Return the encoder as one stream sees it."""
        client = ColourEncoder()
        client.encode_frames = partial(self.batcher.submit, context=turn)  # type: ignore[method-assign]  # the one difference
        return client

    def aligner(self, turn: RequestContext) -> SimilarityAligner:
        """Return a stream's aligner."""
        return SimilarityAligner(self._colours.describe().calibration)

    def _encode(self, frames: U8) -> F32:
        self._clock.sleep(self._frame_s * len(frames))
        return self._colours.encode_frames(frames).result()


class PacedCamera(WithoutClips):
    """A live source: two pictures in turns of ``turn_s``, in the buffer of live streams."""

    def __init__(
        self, camera: CameraSpec, phase: float, turn_s: float, clock: Clock, pictures: Pictures = RED_AND_GREY
    ) -> None:
        self._camera, self._phase, self._turn_s, self._clock = camera, phase, turn_s, clock
        self._pictures = pictures
        self._counters = Counters()
        self._buffer = FreshBuffer(self._counters.dropped, clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.left = 0  # frames that nobody had taken at the end

    def open(self) -> SourceInfo:
        return SourceInfo(self._camera.name, live=True, has_video=True, has_audio=False)

    def items(self) -> Iterator[SourceItem]:
        self._thread.start()
        while not self._stop.is_set() and (item := self._buffer.get()) is not None:
            yield item

    def stop(self) -> None:
        self._stop.set()
        self._buffer.close()

    def snapshot(self) -> SourceSnapshot:
        return self._counters.snapshot()

    def close(self) -> None:
        self._thread.join()
        while self._buffer.get() is not None:
            self.left += 1

    def _run(self) -> None:
        self._counters.set_up(True)
        began, fps = self._clock.wall() + self._phase / float(self._camera.fps), float(self._camera.fps)
        n = 0
        while not self._stop.is_set():
            t = began + n / fps
            self._clock.sleep(max(0.0, t - self._clock.wall()))
            turn = (t - began + self._phase * self._turn_s) % (2 * self._turn_s) // self._turn_s
            picture = self._pictures[int(turn)][None]
            self._counters.sampled(1, 0, t)
            self._buffer.put(FrameBatch(self._camera.name, 0, np.array([t]), np.array([t]), picture))
            n += 1


@dataclass
class Seen:
    """What came of one camera. Latencies in seconds since capture, with when they were observed."""

    sampled: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    left: int = 0
    events: tuple[Event, ...] = ()
    scored: list[tuple[float, float]] = field(default_factory=list)
    published: list[tuple[float, float]] = field(default_factory=list)


class _Tap:
    """An aligner that notes how old the newest clip is once it has its scores."""

    def __init__(self, aligner: Aligner, hop_s: float, seen: Seen, clock: Clock) -> None:
        self.name, self.lookahead, self.rates, self.attend = "tap", aligner.lookahead, aligner.rates, aligner.attend
        self._aligner, self._hop_s, self._seen, self._clock = aligner, hop_s, seen, clock
        self._latest = 0.0

    def begin(self, queries: Sequence[EventQuery]) -> "_Tap":
        self._scorer: Scorer = self._aligner.begin(queries)
        return self

    def score(self, window: FeatureWindow, first: int) -> tuple[ScoreTrack, ...]:
        tracks = self._scorer.score(window, first)
        now, captured = self._clock.wall(), float(window.bounds[-1, 1]) - self._hop_s / 2
        if captured > self._latest:  # not the end of the epoch
            self._latest = captured
            self._seen.scored.append((now, now - captured))
        return tracks


class _TimedSink(MemorySink):
    """Notes how long after the capture of its last clip an event was published."""

    def __init__(self, seen: Seen, clock: Clock) -> None:
        super().__init__()
        self._seen, self._clock = seen, clock

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        now = self._clock.wall()
        self._seen.published += [(now, now - e.end) for e in events if e.type == "new"]
        return super().publish(events)


def watch(
    priorities: Sequence[int], fps: float, seconds: float, encoder: Encoding, clock: Clock, turn_s: float = 3.0
) -> dict[str, Seen]:
    """Watch a camera of each priority for so long; return what came of each, by ``number-priority``."""
    running = []
    for number, priority in enumerate(priorities):
        name = f"{number:02}-{priority}"
        camera = CameraSpec(
            name, RedactedUrl("rtsp://host/a"), fps=fps, audio=False, events=(encoder.event.name,), priority=priority
        )
        source = PacedCamera(camera, number * GOLDEN % 1, turn_s, clock, encoder.pictures)
        seen, turn = Seen(), request_context(camera, (encoder.event,))
        aligner, sink = _Tap(encoder.aligner(turn), 1 / fps, seen, clock), _TimedSink(seen, clock)
        services = services_of(encoder.client(turn), sink)
        stream = StreamPipeline(camera, (encoder.event,), source, aligner, services, clock=clock)
        running.append((name, stream, source, sink, seen, threading.Thread(target=stream.run)))
    for *_, thread in running:
        thread.start()
    clock.sleep(seconds)
    for _, stream, *_ in running:
        stream.stop()
    for _, stream, source, sink, seen, thread in running:
        thread.join()
        found = stream.snapshot().source
        seen.sampled, seen.dropped, seen.left, seen.events = (
            found.frames_sampled,
            found.dropped,
            source.left,
            sink.events,
        )
    return {name: seen for name, *_, seen, _ in running}


def total(seen: Seen) -> Counter[str]:
    """Return where a camera's sampled frames went; the values add up to ``sampled``."""
    return Counter(seen.dropped) + Counter(scored=len(seen.scored), left=seen.left)
