"""An encoder client that knows colours by name, for pipelines over videos of plain colours."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import av
import numpy as np

from alignment.calibration import Platt, SimilarityCalibration
from alignment.types import F32, EventQuery
from workers.services import EncoderDescription
from workers.types import U8, EventSpec, FrameSpec, ModelInfo

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 200), "grey": (110, 110, 110)}
CURVE = Platt(scale=20.0, midpoint=0.5)


def unit(rows: np.ndarray) -> F32:
    centred = rows.astype(np.float32) - rows.mean(axis=1, keepdims=True)
    return (centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 20.0)).astype(np.float32)


class ColourEncoder:
    """An encoder client whose frame space is mean colour; texts are the names of colours."""

    def __init__(self) -> None:
        self.calls = 0

    def describe(self) -> EncoderDescription:
        info = ModelInfo("colour/mean@1", "colour", "mean", "1", 3, "none", "cpu", 0.0)
        return EncoderDescription(info, FrameSpec(32, 32, "squash"), (3, 3), SimilarityCalibration(CURVE, CURVE, CURVE))

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        empty, silent = np.zeros((0, 3), np.float32), np.zeros(3, np.float32)
        prior = np.array([1, 0, 0], np.float32)
        rows = [unit(np.array([COLOURS[d] for d in s.describe])) for s in specs]
        return tuple(
            EventQuery(s.name, r, empty, empty, empty, silent, prior, s.describe, r)
            for s, r in zip(specs, rows, strict=True)
        )

    def encode_frames(self, frames: U8) -> "Future[F32]":
        self.calls += 1
        return done(unit(frames.reshape(len(frames), -1, 3).mean(axis=1)))

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        return done(np.zeros((len(texts), 3), np.float32))


def done(value: F32) -> "Future[F32]":
    future: Future[F32] = Future()
    future.set_result(value)
    return future


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
