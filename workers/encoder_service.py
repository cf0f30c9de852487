"""One encoder for all streams of a process: loads it, batches frames across streams, embeds descriptions."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from alignment.types import F32, EventQuery
from workers.batching import BatcherSnapshot, FrameBatcher
from workers.clock import SystemClock
from workers.encoders.allocator import FreedMemory, tune_allocator
from workers.encoders.base import Encoder
from workers.encoders.device import fitting, lasting
from workers.encoders.options import EncoderOptions
from workers.encoders.registry import load_encoder
from workers.queries import build_query
from workers.services import EncoderDescription
from workers.turns import ANYONE, Turn
from workers.types import U8, EventSpec

WARM_UP_WORDS = (128, 32, 8, 1)  # lengths of sentence that the allocator meets at load rather than over hours
WARM_UP_BATCH = 8  # sentences
KEPT_QUERIES = 256  # embedding a description takes as long as a frame; every upload asks for the same
CPU_BATCH = 16  # a processor gains nothing beyond, and a file's next frames are decoded while these are encoded


class EncoderService:
    """The ``EncoderClient`` of one process; thread-safe."""

    def __init__(self, options: EncoderOptions) -> None:
        tune_allocator()
        self._freed = FreedMemory(SystemClock())
        with fitting(f"the encoder {options.profile}, {options.batch_size} frames at a time,"):
            self._encoder: Encoder = load_encoder(options)
            on_cpu = self._encoder.info.device == "cpu"
            most = min(options.batch_size, CPU_BATCH) if on_cpu else options.batch_size
            self._sizes = () if on_cpu else _sizes(most)
            self._batcher = FrameBatcher(self._encode, max_frames=most)
            try:  # on its thread, for CUDA keeps by thread what it has chosen
                sentence_dim = self._batcher.call(lambda: _warm_up(self._encoder, most)).result()
            except BaseException:
                self._batcher.close()
                raise
        self._query = lru_cache(KEPT_QUERIES)(lambda spec: build_query(spec, self._encoder))
        self._description = EncoderDescription(
            self._encoder.info,
            self._encoder.frame_spec,
            (self._encoder.info.dim, sentence_dim),
            self._encoder.calibration,
        )

    def describe(self) -> EncoderDescription:
        """Return what the encoder is."""
        return self._description

    @property
    def vocabulary(self) -> F32:
        """Return what the encoder knows by name, f32[K, D]."""
        return self._encoder.vocabulary

    def build_queries(self, specs: Sequence[EventSpec], turn: Turn = ANYONE) -> tuple[EventQuery, ...]:
        """Embed descriptions, in their turn between the frames."""
        return self._batcher.call(lambda: tuple(map(self._query, specs)), turn).result()

    def encode_frames(self, frames: U8, turn: Turn = ANYONE) -> "Future[F32]":
        """Embed RGB frames u8[N, H, W, 3] as f32[N, D]; raises ``Overloaded`` where a live turn did not come."""
        return self._batcher.submit(frames, turn)

    def encode_sentences(self, texts: Sequence[str], turn: Turn = ANYONE) -> "Future[F32]":
        """Embed sentences as f32[N, D']."""
        return self._batcher.call(lambda: self._encoder.encode_sentences(texts), turn)

    def snapshot(self) -> BatcherSnapshot:
        """Return the counters."""
        return self._batcher.snapshot()

    def _encode(self, frames: U8) -> F32:
        """Embed a pass; on a GPU as one of the sizes it knows, for with a new one it chooses its kernels anew."""
        size = min((s for s in self._sizes if s >= len(frames)), default=len(frames))
        padding = np.zeros((size - len(frames), *frames.shape[1:]), np.uint8)
        with lasting(self._encoder.info.id):
            rows = self._encoder.encode_frames(np.concatenate([frames, padding]) if len(padding) else frames)
        self._freed.release()
        return rows[: len(frames)]

    def close(self, timeout_s: float | None = None) -> None:
        """Finish what was asked for and stop; wait no longer than ``timeout_s`` for it."""
        self._batcher.close(timeout_s)


@dataclass(frozen=True, slots=True)
class StreamEncoder:
    """The ``EncoderClient`` of one stream: the service, asked in the stream's turn."""

    service: EncoderService
    turn: Turn

    def describe(self) -> EncoderDescription:
        """Return what the encoder is."""
        return self.service.describe()

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions."""
        return self.service.build_queries(specs, self.turn)

    def encode_frames(self, frames: U8) -> "Future[F32]":
        """Embed frames."""
        return self.service.encode_frames(frames, self.turn)

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        """Embed sentences."""
        return self.service.encode_sentences(texts, self.turn)


def _sizes(most: int) -> tuple[int, ...]:
    """Return the sizes of pass that are run at load, the largest first: each half of the one before."""
    return tuple(most >> i for i in range(most.bit_length()))


def _warm_up(encoder: Encoder, most: int) -> int:
    """Run passes of every size once, the largest first, so that memory is at its peak from the start; return D'."""
    spec = encoder.frame_spec
    for size in _sizes(most):
        encoder.encode_frames(np.zeros((size, spec.height, spec.width, 3), np.uint8))
    for words in WARM_UP_WORDS:
        rows = encoder.encode_sentences(["word " * words] * WARM_UP_BATCH)
    return int(rows.shape[1])
