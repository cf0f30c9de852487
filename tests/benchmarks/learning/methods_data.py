"""What the methods are compared on: streams synthesised from the lexicon, and the same in QVHighlights' format.

Descriptions are split by what they are about: a quarter of the things, kinds, scenes and topics is never asked for in
training, so the test asks in new words for new things.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from alignment.aligners.trained.batches import Sample
from alignment.calibration import SimilarityCalibration
from alignment.evaluation.annotations import Annotation, parse_annotations
from alignment.evaluation.intervals import Interval
from alignment.evaluation.metrics import Figures
from alignment.synthetic.streams import Synthesiser, World
from alignment.training.examples.dataset import Example
from alignment.training.examples.feature_files import FeatureFolders, fit_calibration
from alignment.types import F32
from alignment.windows import WINDOW_CLIPS
from workers.encoders.base import Encoder
from workers.encoders.registry import load_encoder
from workers.models.options import EncoderOptions
from workers.queries.synthetic_world import build_world

Encode = Callable[[Sequence[str]], F32]
HELD_OUT = 0.25
TRAIN, TUNE, TEST = 160, 30, 120  # streams of about 14 descriptions
CLIP_S = 2.0  # of QVHighlights


@dataclass(frozen=True, slots=True)
class Split:
    """``tune`` places each method's threshold: other streams, but no other descriptions than ``train``."""

    train: list[Sample]
    tune: list[Sample]
    test: list[Sample]
    calibration: SimilarityCalibration

    @property
    def dims(self) -> tuple[int, int]:
        window = self.train[0].window
        return window.frames.shape[1], max(1, window.speech.shape[1])


class _Listed:
    """An encoder that only lists what it is asked to embed, or answers from what was embedded in one go."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.asked: dict[Encode, dict[str, int]] = {encoder.encode_text: {}, encoder.encode_sentences: {}}
        self._rows: dict[Encode, F32] = {encode: encode(["a"])[[]] for encode in self.asked}

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def embed(self) -> None:
        self._rows = {encode: encode(list(texts)) for encode, texts in self.asked.items()}

    def encode_text(self, texts: Sequence[str]) -> F32:
        return self._lookup(self._encoder.encode_text, texts)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        return self._lookup(self._encoder.encode_sentences, texts)

    def _lookup(self, encode: Encode, texts: Sequence[str]) -> F32:
        places = [self.asked[encode].setdefault(text, len(self.asked[encode])) for text in texts]
        rows = self._rows[encode]
        return rows[places] if len(rows) else np.eye(len(places), rows.shape[1], dtype=np.float32)


def _world(encoder: Encoder, seed: int) -> World:
    """Return ``build_world``'s world; one by one, its ten thousand short texts take half an hour."""
    listed = _Listed(encoder)
    build_world(cast(Encoder, listed), seed)
    listed.embed()
    return build_world(cast(Encoder, listed), seed)


def synthetic_splits(seed: int, folder: Path) -> dict[str, Split]:
    """Return the "synthetic" split with all modalities, and the "qvhighlights" one of what is seen alone."""
    encoder = load_encoder(EncoderOptions())
    world = _world(encoder, seed)
    new = _held_out(world, seed)
    train = list(_samples(world, seed, range(TRAIN), new, False))
    tune = list(_samples(world, seed, range(TRAIN, TRAIN + TUNE), new, False))
    test = list(_samples(world, seed, range(TRAIN + TUNE, TRAIN + TUNE + TEST), new, True))
    parts = {"train": train, "tune": tune, "test": test}
    for name, samples in parts.items():
        write_qvhighlights(folder, name, samples)
    read = {name: read_qvhighlights(folder, name) for name in parts}
    curve = fit_calibration(read["train"])
    windows = {name: [_in_space(e.windows()[0], train[0]) for e in examples] for name, examples in read.items()}
    return {
        "synthetic": Split(train, tune, test, encoder.calibration),
        "qvhighlights": Split(**windows, calibration=curve),
    }


def _held_out(world: World, seed: int) -> set[str]:
    """Return the texts of the descriptions that only the test asks."""
    rng = random.Random(seed)
    new: set[str] = set()
    for phrases in (world.seen, world.said):
        subjects = sorted({tuple(sorted(p.of)) for p in phrases})
        chosen = set(rng.sample(subjects, round(HELD_OUT * len(subjects))))
        new |= {p.query.event for p in phrases if tuple(sorted(p.of)) in chosen}
    return new


def _samples(world: World, seed: int, streams: range, new: set[str], wanted: bool) -> Iterator[Sample]:
    synthesiser = Synthesiser(world, seed)
    for number in streams:
        yield from (s for s in synthesiser.stream(number) if (s.query.event in new) == wanted)


def write_qvhighlights(folder: Path, name: str, samples: list[Sample]) -> None:
    """Write what is seen, and is shown, as 150 s in clips of 2 s: annotations, video and text features.

    As in QVHighlights every description is true somewhere, and there is no sound.
    """
    videos, texts, lines = folder / "videos", folder / "texts", []
    for path in (videos, texts):
        path.mkdir(exist_ok=True)
    streams = {id(s.window): i for i, s in enumerate(samples)}
    for qid, sample in enumerate(samples):
        w, q = sample.window, sample.query
        hop = w.bounds[0, 1] - w.bounds[0, 0]
        windows = np.clip(sample.relevant / hop, 0, WINDOW_CLIPS) * CLIP_S
        windows = windows[windows[:, 1] > windows[:, 0]]
        if not len(windows) or not len(q.vision) or q.prior[0] < q.prior.max():
            continue
        vid = f"{name}{streams[id(w)]}"
        if not (videos / f"{vid}.npz").exists():
            np.savez(videos / f"{vid}.npz", features=w.frames[:WINDOW_CLIPS])
        words = q.vision_words if len(q.vision_words) else q.vision
        key = f"{name}{qid}"
        np.savez(texts / f"qid{key}.npz", last_hidden_state=words, pooler_output=q.vision[0])
        row = {"qid": key, "query": q.event, "vid": vid, "duration": WINDOW_CLIPS * CLIP_S}
        lines.append(json.dumps(row | {"relevant_windows": windows.tolist()}))
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def read_qvhighlights(folder: Path, name: str) -> list[Example]:
    """Read features and annotations as the trainer does."""
    path = folder / f"{name}.jsonl"
    annotations = parse_annotations(path.read_text().splitlines(), str(path))
    return FeatureFolders((folder / "videos",), folder / "texts", CLIP_S).examples(annotations)[0]


def _in_space(sample: Sample, other: Sample) -> Sample:
    """Return a sample without speech, with the sentence space of another, so that one model reads both."""
    none = other.window.speech[:0]
    query = replace(sample.query, speech=none, speech_unlike=none, speech_words=none)
    return replace(sample, window=replace(sample.window, speech=none), query=query)


def annotation(qid: int, sample: Sample) -> Annotation:
    """Return a sample as the evaluation wants it; samples of one stream are one video."""
    windows = tuple((float(a), float(b)) for a, b in sample.relevant)
    return Annotation(
        qid, sample.query.event, str(id(sample.window.frames)), float(sample.window.bounds[-1, 1]), windows
    )


def f1_interval(figures: Figures) -> Interval:
    """Return the 95 % interval of F1 at tIoU 0.5; not a number if there is only one stream."""
    found = figures.ci95.events[0.5].f1 if figures.ci95 else None
    return found or (float("nan"), float("nan"))
