"""Protocols of what a stream requests from shared services, the same in one process and across Ray."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from alignment.aligners.trained.incremental import AlignerInfo, Logits, WindowDelta
from alignment.calibration import SimilarityCalibration
from alignment.types import F32, Bools, Detections, EventQuery, FeatureWindow
from workers.errors import ServiceUnresponsive
from workers.events.evidence import PictureStore
from workers.index.types import TapeBatch
from workers.publish.base import StreamSink
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext
from workers.sources.base import SourceBuilder
from workers.types import U8, Areas, EventSpec, FrameSpec, ModelInfo, Utterance, VoicedChunk

T = TypeVar("T")
RESPONSE_TIMEOUT_S = 300.0  # a file may wait behind cameras for minutes


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """What a stream must know of the encoder. ``dims`` are the widths of the frame and the sentence space."""

    info: ModelInfo
    frame_spec: FrameSpec
    dims: tuple[int, int]
    calibration: SimilarityCalibration


class EncoderClient(Protocol):
    """Embeddings, requested by many streams at once."""

    def describe(self) -> EncoderDescription:
        """Return what the encoder is; raise ``ModelUnavailable``."""
        ...

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions; return them without vocabulary, which only the aligner's network uses and has itself."""
        ...

    def query_warnings(self, specs: Sequence[EventSpec], hears: bool) -> tuple[str, ...]:
        """Return which descriptions will not be found as they are meant; ``hears``: audio is analysed."""
        ...

    def encode_frames(self, frames: U8) -> "Future[F32]":
        """Embed RGB frames u8[N, H, W, 3] as f32[N, D]."""
        ...

    def encode_zones(self, frames: U8, zones: tuple[Areas, ...]) -> "Future[F32]":
        """Embed frames and Z zones of each as f32[N · (1 + Z), D]: behind the row of a frame those of its zones."""
        ...

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        """Embed sentences as f32[N, D']."""
        ...

    def nearest_name(self, frames: F32) -> "Future[str]":
        """Return the name of the thing that frames f32[N, D] are most like; "" where the encoder knows no names."""
        ...


class DetectorClient(Protocol):
    """Objects in frames, requested by many streams at once."""

    def detect(self, frames: U8) -> "Future[Detections]":
        """Find objects in RGB frames u8[N, H, W, 3] as f32[N, M, 8]."""
        ...


class AlignerClient(Protocol):
    """The network of a trained aligner, used by many streams at once; a session is one window of one stream."""

    def info(self) -> AlignerInfo:
        """Return what the network is; raise ``CheckpointError``."""
        ...

    def begin(
        self, session: str, queries: Sequence[EventQuery], context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[None]":
        """Open a session, or open it again, to be served in ``context``; the network has the vocabulary itself."""
        ...

    def read(self, session: str, delta: WindowDelta) -> "Future[Logits]":
        """Score what is new of a session's window; the Future raises ``SessionLost`` where it is not open."""
        ...

    def look(self, query: EventQuery, frames: F32, mask: Bools) -> "Future[F32]":
        """Return the logits f32[T] of a sequence of clips f32[T, D] for one description, read at once.

        ``mask`` bool[T]: where a frame was seen. See ``alignment/aligners/trained/whole`` for its first and last clips.
        """
        ...

    def end(self, session: str) -> None:
        """Forget a session; return at once."""
        ...

    def attend(self, window: FeatureWindow, query: EventQuery) -> "Future[F32]":
        """Return the attention to each word, f32[T, W], as ``Aligner.attend`` does."""
        ...


class SpeechClient(Protocol):
    """Transcripts, requested by many streams at once."""

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        """Transcribe a chunk. ``wait``: wait for room in the queue (files); else the queue may drop it (live)."""
        ...


class StateClient(PictureStore, Protocol):
    """The state folder, which is on the machine of the daemon, wherever the stream runs.

    A disk that fails is logged there and raises nothing.
    """

    def keep_evidence(
        self, camera: str, name: str, event_id: str, content: bytes, shown: tuple[float, float] | None
    ) -> bool:
        """Keep a file of an event that was made later, unless the event or that time was erased; return whether.

        ``shown``: what the file of a live event shows, Unix seconds.
        """
        ...

    def load_budgets(self, camera: str) -> bytes | None:
        """Return what a camera saved last, if anything."""
        ...

    def save_budgets(self, camera: str, document: bytes) -> None:
        """Keep what a camera has learned about its false alerts."""
        ...

    def record(self, batch: TapeBatch) -> "Future[bool]":
        """Write a part of a stream to the index; the Future says whether there was room for it."""
        ...

    def keep_samples(self, camera: str, event_id: str, content: bytes) -> None:
        """Keep the features of an event that people may judge, in place of those of an earlier revision."""
        ...

    def keep_frames(self, camera: str, event_id: str, content: bytes) -> None:
        """Keep frames of an event for a second opinion, in place of those of an earlier revision."""
        ...

    def load_head(self, event: str) -> bytes | None:
        """Return the head in force of an event, made of what people judged; None without one."""
        ...

    def forbids(self, camera: str, event_id: str, live_span: tuple[float, float] | None) -> bool:
        """Return whether an event was erased or lies in an erased interval; ``live_span``: Unix s, None for a file."""
        ...

    def erased(self, camera: str, spans: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
        """Return of each span of a live camera, Unix seconds, whether an erased interval overlaps it."""
        ...


@dataclass(frozen=True, slots=True)
class StreamServices:
    """What one stream shares with all others.

    ``speech`` is None where nothing can be transcribed, ``network`` where the aligner is not a trained one,
    ``detector`` where the profile has none.
    """

    encoder: EncoderClient
    sink: StreamSink
    state: StateClient
    build_source: SourceBuilder
    speech: SpeechClient | None = None
    network: AlignerClient | None = None
    detector: DetectorClient | None = None


def result_of(response: "Future[T]", service: str) -> T:
    """Wait for a response and return its result, or raise its error.

    Raise ``ServiceUnresponsive`` where it does not come within ``RESPONSE_TIMEOUT_S``.
    """
    try:
        return response.result(RESPONSE_TIMEOUT_S)
    except TimeoutError:
        if response.done():  # it came at the last moment, or the service ran into a time limit itself
            return response.result()
        text = f"no response from the {service} for {RESPONSE_TIMEOUT_S:.0f} s"
        raise ServiceUnresponsive(text, "the stream is restarted; if this repeats, restart watchword") from None
