"""Both ends of a stream's pipeline: an encoder client that knows colours by name, and a sink in memory."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

import av
import numpy as np

from alignment.types import F32, EventQuery
from workers.encoders import colour
from workers.events.event import Event
from workers.models.colours import COLOURS as SHADES
from workers.publish.base import SinkSnapshot
from workers.queries.build import build_query
from workers.queries.judging import query_warnings
from workers.services.clients import EncoderClient, EncoderDescription, SpeechClient, StateClient, StreamServices
from workers.services.state import StateService
from workers.sources.factory import build_source
from workers.types import U8, Areas, EventSpec, FrameSpec, Receipt

T = TypeVar("T")
COLOURS = {name: shades[0] for name, shades in SHADES.items()}


class ColourEncoder:
    """The profile ``colour`` as an encoder client that answers at once, in the thread that asks."""

    def __init__(self) -> None:
        self.calls = 0
        self._encoder = colour.ColourEncoder()
        self._encoder.frame_spec = FrameSpec(32, 32, "squash")  # small: some tests watch hours of frames

    def describe(self) -> EncoderDescription:
        encoder = self._encoder
        return EncoderDescription(
            encoder.info, encoder.frame_spec, (encoder.info.dim, colour.WORDS), encoder.calibration
        )

    def query_warnings(self, specs: Sequence[EventSpec], hears: bool) -> tuple[str, ...]:
        return tuple(w for spec in specs for w in query_warnings(spec, "colour", hears))

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        return tuple(build_query(spec, self._encoder) for spec in specs)

    def encode_frames(self, frames: U8) -> "Future[F32]":
        self.calls += 1
        return done(self._encoder.encode_frames(frames))

    def encode_zones(self, frames: U8, zones: tuple[Areas, ...]) -> "Future[F32]":
        self.calls += 1
        return done(self._encoder.encode_zones(frames, [zones] * len(frames)))

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        return done(self._encoder.encode_sentences(texts))

    def nearest_name(self, frames: F32) -> "Future[str]":
        return done(list(COLOURS)[int(frames.mean(axis=0).argmax())])


def done(value: T) -> "Future[T]":
    future: Future[T] = Future()
    future.set_result(value)
    return future


SAMPLE = Path(__file__).resolve().parents[3] / "daemon" / "sample" / "sample.mp4"
RED_TWICE = (("grey", 4), ("red", 6), ("grey", 6), ("red", 6), ("grey", 2))


def cut_sample(path: Path, seconds: float) -> Path:
    """Write the first seconds of the sample: a parcel is spoken of at 2.0 to 6.4 s, a cat is seen at 7 to 17 s."""
    command = ["ffmpeg", "-v", "error", "-i", str(SAMPLE), "-t", str(seconds), "-c", "copy", str(path)]
    subprocess.run(command, check=True)
    return path


def write_colours(path: Path, scenes: Sequence[tuple[str, float]]) -> Path:
    """Encode seconds of colours as H.264."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for colour, seconds in scenes:
            picture = np.full((48, 64, 3), COLOURS[colour], np.uint8)
            for _ in range(round(seconds * 10)):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode(None))
    return path


def write_visit(path: Path, seconds: float = 20) -> Path:
    """Encode colours with the sound of the bundled sample: a parcel is spoken of at 2.0 to 6.4 s, red is 7 to 17 s."""
    colours = write_colours(path.with_suffix(".silent.mp4"), [("grey", 7), ("red", 10), ("grey", 3)])
    streams = ("-i", colours, "-i", SAMPLE, "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", str(seconds))
    subprocess.run(["ffmpeg", "-v", "error", "-y", *streams, path], check=True)
    colours.unlink()
    return path


class MemorySink:
    """A ``Sink`` that keeps events in order, each (id, revision) once."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, int], Event] = {}
        self._mutex = Lock()
        self._counts = SinkSnapshot()

    @property
    def events(self) -> tuple[Event, ...]:
        """Return all revisions, in the order in which they came."""
        with self._mutex:
            return tuple(self._events.values())

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Keep events; ``entry`` counts from ``1-0``."""
        with self._mutex:
            return tuple(self._keep(event) for event in events)

    def end_open(self, camera: str | None = None) -> tuple[Event, ...]:
        """Return nothing: what is kept here dies with its stream."""
        return ()

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events by id."""
        with self._mutex:
            gone = [key for key in self._events if key[0] in ids]
            for key in gone:
                del self._events[key]
            return len(gone)

    def follow(self, reader: str) -> int:
        """Return 0: there is no log to read."""
        return 0

    def acknowledge(self, reader: str, up_to: int) -> None:
        """Do nothing: nobody reads from here."""

    def flush(self, timeout_s: float) -> bool:
        """Return True: nothing ever waits."""
        return True

    def snapshot(self) -> SinkSnapshot:
        """Return the counters."""
        with self._mutex:
            return self._counts

    def close(self) -> None:
        """Keep everything; there is nothing to stop."""

    def _keep(self, event: Event) -> Receipt:
        key = (event.id, event.revision)
        if key in self._events:
            self._counts = replace(self._counts, duplicates=self._counts.duplicates + 1)
            return Receipt(*key, duplicate=True)
        self._events[key] = event
        self._counts = replace(self._counts, published=self._counts.published + 1)
        return Receipt(*key)


def services_of(
    encoder: EncoderClient, sink: MemorySink, speech: SpeechClient | None = None, state: StateClient | None = None
) -> StreamServices:
    """Return the services of a stream whose aligner is not a trained one; without ``state`` it keeps nothing."""
    return StreamServices(encoder, sink, state or StateService(), build_source, speech)
