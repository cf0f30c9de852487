"""What a stream asks of others: embeddings, transcripts. The same Protocols in one process and across Ray actors."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from alignment.calibration import SimilarityCalibration
from alignment.sliding import Logits, Traits, Unread
from alignment.types import F32, EventQuery, FeatureWindow
from workers.errors import ServiceSilent
from workers.turns import ANYONE, Turn
from workers.types import U8, EventSpec, FrameSpec, ModelInfo, Utterance, VoicedChunk

T = TypeVar("T")
ANSWER_TIMEOUT_S = 300.0  # a file may wait behind cameras for minutes


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """What a stream must know of the encoder. ``dims`` are the widths of the frame and the sentence space."""

    info: ModelInfo
    frame_spec: FrameSpec
    dims: tuple[int, int]
    calibration: SimilarityCalibration


class EncoderClient(Protocol):
    """Embeddings, asked for by many streams at once."""

    def describe(self) -> EncoderDescription:
        """Return what the encoder is; raise ``ModelUnavailable``."""
        ...

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions. From another process they come without vocabulary, which only a network asks for."""
        ...

    def encode_frames(self, frames: U8) -> "Future[F32]":
        """Embed RGB frames u8[N, H, W, 3] as f32[N, D]."""
        ...

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        """Embed sentences as f32[N, D']."""
        ...


class AlignerClient(Protocol):
    """A trained aligner's network, asked by many streams at once; a session is one window of one of them."""

    def traits(self) -> Traits:
        """Return what the network is; raise ``CheckpointError``."""
        ...

    def begin(self, session: str, queries: Sequence[EventQuery], turn: Turn = ANYONE) -> "Future[None]":
        """Open a session, or open it anew, to be served in ``turn``; it has the queries' vocabulary itself."""
        ...

    def read(self, session: str, asked: Unread) -> "Future[Logits]":
        """Read what is new of a session's window; the answer is ``SessionLost`` where it is not open."""
        ...

    def end(self, session: str) -> None:
        """Forget a session; return at once."""
        ...

    def attend(self, window: FeatureWindow, query: EventQuery) -> "Future[F32]":
        """Ask for f32[T, W] as ``Aligner.attend``."""
        ...


class SpeechClient(Protocol):
    """Transcripts, asked for by many streams at once."""

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        """Ask for a transcript. ``wait``: wait for room in the queue (files); else the queue may drop (live)."""
        ...


def answered(answer: "Future[T]", service: str) -> T:
    """Return what a service answers, or raise it; raise ``ServiceSilent`` after ``ANSWER_TIMEOUT_S``."""
    try:
        return answer.result(ANSWER_TIMEOUT_S)
    except TimeoutError:
        require_answer(answer, ANSWER_TIMEOUT_S, service)
        return answer.result()  # it came at the last moment, or the service ran into a time limit itself


def require_answer(answer: "Future[T]", waited_s: float, service: str) -> None:
    """Raise ``ServiceSilent`` where an answer has been waited for too long."""
    if waited_s >= ANSWER_TIMEOUT_S and not answer.done():
        text = f"the {service} has not answered for {waited_s:.0f} s"
        raise ServiceSilent(text, "the stream is started again; if it stays so, restart watchword")
