"""A store of the embeddings of frames and utterances on disk, which can be searched without the video.

A row of 512 numbers takes 2 kB as float32, and 516 bytes as int8 with one scale per row (symmetric quantisation). A day
of one camera at 1 fps takes 44 MB, and 2 MB for times. Files are memory-mapped safetensors: opening reads the header.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from alignment.errors import FeatureError
from alignment.file_io import replacing
from alignment.search.feature_file import FeatureFile
from alignment.types import F32, F64, Bools

FORMAT = "watchword-embeddings/1"
CHUNK_ROWS = 4096  # of 512 numbers: at most 8 MB are processed at a time
INT8_MAX = 127

I8 = NDArray[np.int8]
DTYPES = {"F32": np.float32, "F64": np.float64, "I8": np.int8, "I32": np.int32}


@dataclass(frozen=True, slots=True)
class Rows:
    """Embeddings in order of video and time; arrays may be memory-mapped. A row is ``values · scale``."""

    values: F32 | I8  # [N, D]
    scale: F32  # [N] 1 where ``values`` are float32
    bounds: F64  # [N, 2] start and end, stream seconds
    video: NDArray[np.int32]  # [N] index in ``EmbeddingStore.videos``, never falling

    def cosines(self, texts: F32) -> F32:
        """Return f32[N]: the highest inner product of each row with any row of ``texts`` f32[P, D]."""
        out = np.empty(len(self.values), np.float32)
        for first in range(0, len(out), CHUNK_ROWS):
            part = slice(first, first + CHUNK_ROWS)
            products = np.asarray(self.values[part], np.float32) @ texts.T
            out[part] = products.max(axis=1) * self.scale[part]
        return out

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


def save_store(path: Path, store: EmbeddingStore) -> None:
    """Write a store atomically; raise ``FeatureError``."""
    tensors = {f"{kind}.{n}": np.ascontiguousarray(a) for kind in ("clips", "said") for n, a in _arrays(store, kind)}
    told = {"encoder": store.encoder, "videos": store.videos, "texts": store.texts}
    try:
        with replacing(path) as part:
            save_file(tensors, part, {"format": FORMAT, "store": json.dumps(told, ensure_ascii=False)})
    except (OSError, SafetensorError) as error:  # safetensors reports a full disk with its own error
        raise FeatureError(f"cannot write {path}: {error}", "check the folder's rights and the disk's space") from error


def open_store(path: Path) -> EmbeddingStore:
    """Open a store, memory-mapped and read-only; raise ``FeatureError`` if the file is not a store."""
    try:
        with safe_open(path, framework="np") as file:  # checks the header against the file's size
            metadata: dict[str, str] = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
        arrays, told = _mapped(path), json.loads(metadata["store"])
        rows = [Rows(*(arrays[f"{kind}.{n}"] for n in Rows.__dataclass_fields__)) for kind in ("clips", "said")]
        store = EmbeddingStore(told["encoder"], tuple(told["videos"]), rows[0], rows[1], tuple(told["texts"]))
        _check(store)
    except OSError as error:
        raise FeatureError(f"cannot read {path}: {error}", "check the name and the rights") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FeatureError(f"{path} is not a store of embeddings, or is damaged: {error}", "build it again") from error
    return store


def _rows(parts: Sequence[tuple[F32, F64]], int8: bool) -> Rows:
    widths = {p.shape[1] for p, _ in parts if len(p)}
    if len(widths) > 1:
        raise FeatureError(f"rows have different widths: {sorted(widths)}", "extract all with one encoder")
    empty = np.zeros((0, widths.pop() if widths else parts[0][0].shape[1]), np.float32)
    values = np.concatenate([empty, *(p for p, _ in parts if len(p))])
    stored, scale = quantize(values) if int8 else (values, np.ones(len(values), np.float32))
    video = np.repeat(np.arange(len(parts), dtype=np.int32), [len(p) for p, _ in parts])
    return Rows(stored, scale, np.concatenate([t for _, t in parts]), video)


def _arrays(store: EmbeddingStore, kind: str) -> list[tuple[str, NDArray[Any]]]:
    rows: Rows = getattr(store, kind)
    return [(name, getattr(rows, name)) for name in Rows.__dataclass_fields__]


def _mapped(path: Path) -> dict[str, NDArray[Any]]:
    """Map each tensor of a safetensors file with a checked header. Layout: header length u64, header, data."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    arrays: dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        shape, dtype = tuple(entry["shape"]), DTYPES[entry["dtype"]]
        begin = 8 + length + entry["data_offsets"][0]
        # an empty array cannot be mapped
        arrays[name] = np.memmap(path, dtype, "r", begin, shape) if 0 not in shape else np.zeros(shape, dtype)
    return arrays


def _check(store: EmbeddingStore) -> None:
    """Raise ``ValueError`` if array lengths contradict each other."""
    for rows, videos in ((store.clips, len(store.videos)), (store.said, len(store.videos))):
        n = len(rows.values)
        fits = rows.values.ndim == 2 and rows.scale.shape == rows.video.shape == (n,) and rows.bounds.shape == (n, 2)
        if not fits or (n and not 0 <= rows.video[0] <= rows.video[-1] < videos) or (np.diff(rows.video) < 0).any():
            raise ValueError("its arrays have contradictory lengths")
    if len(store.texts) != len(store.said.values):
        raise ValueError("the number of texts differs from that of utterances")
