"""The encoder service of a process: batches frames of all streams, embeds sentences and descriptions."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from alignment.lexicon import things
from alignment.summary.tags import Panel
from alignment.types import F32, EventQuery
from workers.clock import SystemClock
from workers.encoders.allocator import FreedMemory, tune_allocator
from workers.encoders.base import Encoder
from workers.encoders.registry import load_encoder
from workers.models.device import fitting, lasting
from workers.models.options import EncoderOptions
from workers.models.profiles import PROFILES
from workers.queries.build import build_query, without_vocabulary
from workers.queries.judging import judge, query_warnings
from workers.queries.names import nearest_names
from workers.services.batcher import BatcherSnapshot, FrameBatcher
from workers.services.clients import EncoderDescription
from workers.services.measuring import measured_calibration
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext
from workers.types import U8, Areas, EventSpec

WARM_UP_WORDS = (128, 32, 8, 1)  # lengths of sentences for which memory is allocated at load, not over hours
WARM_UP_BATCH = 8  # sentences
KEPT_QUERIES = 256  # embedding a description takes as long as a frame; every upload has the same descriptions
CPU_BATCH = 16  # a processor gains nothing beyond, and a file's next frames are decoded while these are encoded


class EncoderService:
    """The encoder behind every ``EncoderClient`` of a process; thread-safe.

    ``sample``: the video on which the space of a model is measured when it is first used; None: it is not.
    """

    def __init__(self, options: EncoderOptions, sample: Path | None = None) -> None:
        tune_allocator()
        self._freed = FreedMemory(SystemClock())
        with fitting(f"the encoder {options.profile}, {options.batch_size} frames at a time,"):
            self._encoder: Encoder = load_encoder(options)
            on_cpu = self._encoder.info.device == "cpu"
            most = min(options.batch_size, CPU_BATCH) if on_cpu else options.batch_size
            self._sizes = () if on_cpu else _sizes(most)
            self._batcher = FrameBatcher(self._encode, max_frames=most, encode_zones=self._encode)
            try:  # on its thread, for CUDA keeps by thread what it has chosen
                sentence_dim = self._batcher.call(lambda: _warm_up(self._encoder, most)).result()
                calibration = self._batcher.call(lambda: measured_calibration(self._encoder, sample)).result()
            except BaseException:
                self._batcher.close()
                raise
        detects = PROFILES[options.profile].detects
        nearest = nearest_names(self._encoder)

        def query(spec: EventSpec) -> EventQuery:
            read_as = tuple(judged.read_as for judged in judge(spec, options.profile, nearest=nearest))
            return replace(build_query(spec, self._encoder, detects), read_as=read_as)

        self._query = lru_cache(KEPT_QUERIES)(query)
        self._warnings = lru_cache(KEPT_QUERIES)(
            lambda spec, hears: query_warnings(spec, options.profile, hears, nearest)
        )
        self._description = EncoderDescription(
            self._encoder.info,
            self._encoder.frame_spec,
            (self._encoder.info.dim, sentence_dim),
            calibration,
        )

    def describe(self) -> EncoderDescription:
        """Return the description of the encoder."""
        return self._description

    @property
    def vocabulary(self) -> F32:
        """Return embeddings of what the encoder knows by name, f32[K, D]."""
        return self._encoder.vocabulary

    def build_queries(
        self, specs: Sequence[EventSpec], context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[tuple[EventQuery, ...]]":
        """Embed descriptions, scheduled between the frames, without their vocabulary."""
        return self._batcher.call(lambda: tuple(without_vocabulary(self._query(s)) for s in specs), context)

    def query_warnings(
        self, specs: Sequence[EventSpec], hears: bool, context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[tuple[str, ...]]":
        """Judge descriptions by the names that the encoder knows, scheduled between the frames."""
        return self._batcher.call(lambda: tuple(w for s in specs for w in self._warnings(s, hears)), context)

    def encode_frames(self, frames: U8, context: RequestContext = DEFAULT_CONTEXT) -> "Future[F32]":
        """Embed RGB frames u8[N, H, W, 3] as f32[N, D]; the Future raises ``Overloaded`` for dropped live frames."""
        return self._batcher.submit(frames, context)

    def encode_zones(
        self, frames: U8, zones: tuple[Areas, ...], context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[F32]":
        """Embed RGB frames u8[N, H, W, 3] and Z zones of each as f32[N · (1 + Z), D]; else as ``encode_frames``."""
        return self._batcher.submit(frames, context, zones)

    def encode_sentences(self, texts: Sequence[str], context: RequestContext = DEFAULT_CONTEXT) -> "Future[F32]":
        """Embed sentences as f32[N, D']."""
        return self._batcher.call(lambda: self._encoder.encode_sentences(texts), context)

    def panel(self) -> Panel:
        """Return the names that the encoder knows, to name what frames show."""
        return Panel.of(self._description.calibration, self._encoder.vocabulary)

    def nearest_name(self, frames: F32) -> str:
        """Return the name of the thing that the mean of frames f32[N, D] is most like; "" where no names are known."""
        vocabulary, named = self._encoder.vocabulary, things()
        if len(vocabulary) != len(named):
            return ""
        return named[int((vocabulary @ frames.mean(axis=0)).argmax())].name

    def snapshot(self) -> BatcherSnapshot:
        """Return the counters."""
        return self._batcher.snapshot()

    def _encode(self, frames: U8, zones: Sequence[tuple[Areas, ...]] = ()) -> F32:
        """Embed the frames of a pass; on a GPU padded to a known size, because a new size means new kernels."""
        size = min((s for s in self._sizes if s >= len(frames)), default=len(frames))
        padding = np.zeros((size - len(frames), *frames.shape[1:]), np.uint8)
        padded = np.concatenate([frames, padding]) if len(padding) else frames
        with lasting(self._encoder.info.id):
            if zones:
                rows = self._encoder.encode_zones(padded, [*zones, *[()] * len(padding)])
            else:
                rows = self._encoder.encode_frames(padded)
        self._freed.release()
        return rows[: len(rows) - len(padding)]

    def close(self, timeout_s: float | None = None) -> None:
        """Finish all requests and stop; wait ``timeout_s`` seconds at most."""
        self._batcher.close(timeout_s)


def _sizes(most: int) -> tuple[int, ...]:
    """Return the sizes of passes that run at load, largest first, each half of the one before."""
    return tuple(most >> i for i in range(most.bit_length()))


def _warm_up(encoder: Encoder, most: int) -> int:
    """Run passes of every size once, the largest first, so that memory peaks at load; return D'."""
    width, height = encoder.frame_spec.typical
    for size in _sizes(most):
        encoder.encode_frames(np.zeros((size, height, width, 3), np.uint8))
    for words in WARM_UP_WORDS:
        rows = encoder.encode_sentences(["word " * words] * WARM_UP_BATCH)
    return int(rows.shape[1])
