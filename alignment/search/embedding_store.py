"""Embeddings of frames and utterances as stored: whole numbers with one scale per row (symmetric quantisation).

A row of 512 numbers takes 2 kB as float32, and 516 bytes as int8. What cameras recorded lies in the index
(``workers/index``); a store here holds the videos of one evaluation in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.errors import FeatureError
from alignment.search.feature_file import FeatureFile
from alignment.types import F32, F64, Bools

INT8_MAX = 127

I8 = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Rows:
    """Embeddings in order of video and time. A row is ``values · scale``."""

    values: F32 | I8  # [N, D]
    scale: F32  # [N] 1 where ``values`` are float32
    bounds: F64  # [N, 2] start and end, stream seconds
    video: NDArray[np.int32]  # [N] index in ``EmbeddingStore.videos``, never falling

    def part(self, chosen: slice) -> "Rows":
        """Return a slice of the rows, without a copy."""
        return Rows(self.values[chosen], self.scale[chosen], self.bounds[chosen], self.video[chosen])


@dataclass(frozen=True, slots=True)
class EmbeddingStore:
    """The clips and the utterances of several videos, embedded by one encoder."""

    encoder: str
    videos: tuple[str, ...]
    clips: Rows
    said: Rows
    texts: tuple[str, ...]  # the text of each row of ``said``

    def of(self, video: str) -> "EmbeddingStore":
        """Return the part of one video, without a copy; raise ``FeatureError`` if the video is not stored."""
        if video not in self.videos:
            raise FeatureError(f"{video!r} is not stored", f"stored are {', '.join(self.videos[:10])}")
        number = self.videos.index(video)
        clips, said = (slice(*np.searchsorted(r.video, [number, number + 1])) for r in (self.clips, self.said))
        return EmbeddingStore(self.encoder, self.videos, self.clips.part(clips), self.said.part(said), self.texts[said])


def quantize(rows: F32) -> tuple[I8, F32]:
    """Return int8[N, D] and scales f32[N]; their product is ``rows`` to half a step (largest of the row / 127)."""
    scale = np.abs(rows).max(axis=1, initial=0.0) / INT8_MAX
    steps = np.rint(rows / np.maximum(scale, np.finfo(np.float32).tiny)[:, None])
    return steps.astype(np.int8), scale.astype(np.float32)


def build_store(features: Sequence[FeatureFile], int8: bool = True) -> EmbeddingStore:
    """Return the store of several videos; raise ``FeatureError`` if their encoders differ.

    Clips without a frame, and rows that are not finite, are left out.
    """
    encoders = sorted({f.encoder for f in features})
    if len(encoders) != 1:
        raise FeatureError(f"features come from {len(encoders)} encoders: {encoders}", "extract all with one encoder")
    seen = [f.window.frame_mask & np.isfinite(f.window.frames).all(axis=1) for f in features]
    spoken: list[Bools] = [np.asarray(np.isfinite(f.window.speech).all(axis=1)) for f in features]
    return EmbeddingStore(
        encoder=encoders[0],
        videos=tuple(f.video for f in features),
        clips=_rows([(f.window.frames[m], f.window.bounds[m]) for f, m in zip(features, seen, strict=True)], int8),
        said=_rows([(f.window.speech[m], f.window.speech_t[m]) for f, m in zip(features, spoken, strict=True)], int8),
        texts=tuple(t for f, m in zip(features, spoken, strict=True) for t, ok in zip(f.texts, m, strict=True) if ok),
    )


def _rows(parts: Sequence[tuple[F32, F64]], int8: bool) -> Rows:
    widths = {p.shape[1] for p, _ in parts if len(p)}
    if len(widths) > 1:
        raise FeatureError(f"rows have different widths: {sorted(widths)}", "extract all with one encoder")
    empty = np.zeros((0, widths.pop() if widths else parts[0][0].shape[1]), np.float32)
    values = np.concatenate([empty, *(p for p, _ in parts if len(p))])
    stored, scale = quantize(values) if int8 else (values, np.ones(len(values), np.float32))
    video = np.repeat(np.arange(len(parts), dtype=np.int32), [len(p) for p, _ in parts])
    return Rows(stored, scale, np.concatenate([t for _, t in parts]), video)
