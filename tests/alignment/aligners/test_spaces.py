"""The gate of "any embedding space": in each the network is at least as good as calibrated similarity.

Here streams of composed beliefs, in two spaces that the network has not seen. The gate on real frames, with more spaces
and a real second text tower, is ``tests/workers/encoders/test_spaces.py`` (``make check-long``).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from alignment.aligners.base import Aligner
from alignment.aligners.similarity import SimilarityAligner
from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.calibration import CLIP_CALIBRATION, SIGLIP_CALIBRATION, SimilarityCalibration, text_curve
from alignment.evaluation.annotations import Annotation
from alignment.types import F32, SOUND_CLASSES, EventQuery
from alignment.vectors import unit_rows
from tests.support.models.spaces import CLIP_26, SIGLIP, Cones, Figures, Geometry, decide, figures, shown
from workers.encoders.lite.classes import Classes, load_classes

STREAMS, SHOTS, SHOT_S = 10, 8, 8
SPACES = {"clip": (CLIP_26, CLIP_CALIBRATION), "siglip": (SIGLIP, SIGLIP_CALIBRATION)}


@cache
def classes() -> Classes:
    return load_classes()


def beliefs(rng: np.random.Generator, shots: list[int]) -> F32:
    """Return f32[T, 1000], ten things a frame: mostly the one of the shot, and what resembles it."""
    like = classes().rows @ classes().rows[shots].T
    logits = np.repeat(8 * like.T + rng.gumbel(0, 0.7, like.T.shape), SHOT_S, axis=0) + rng.gumbel(
        0, 0.3, (SHOT_S * SHOTS, 1000)
    )
    logits = np.where(logits >= np.sort(logits, axis=1)[:, -10:-9], logits, -np.inf)
    p = np.exp(1.5 * (logits - logits.max(axis=1, keepdims=True)))
    return np.asarray(p / p.sum(axis=1, keepdims=True), np.float32)


def questions(rng: np.random.Generator, shots: list[int]) -> Iterator[tuple[int, Annotation]]:
    """Yield what is asked: four things that are shown, four that resemble one of them, two others."""
    like = classes().rows @ classes().rows[shots].T
    near = [int(rng.choice(np.argsort(-like[:, i])[1:12])) for i in range(4)]
    for number, thing in enumerate([*shots[:4], *near, *rng.integers(1000, size=2).tolist()]):
        at = [i * SHOT_S for i, shot in enumerate(shots) if shot == thing]
        yield thing, Annotation(number, str(thing), "v", SHOT_S * SHOTS, tuple((t, t + SHOT_S) for t in at))


def asked(cones: Cones, thing: int, panel: F32) -> EventQuery:
    """Return a thing by its name and how it looks, together."""
    look = unit_rows(classes().rows[[thing]] + classes().told[0][[thing]])
    none = np.zeros((0, panel.shape[1]), np.float32)
    return EventQuery(
        event=str(thing),
        vision=cones.texts(look),
        vision_unlike=none,
        speech=none,
        speech_unlike=none,
        sound=np.zeros(SOUND_CLASSES, np.float32),
        prior=np.array([1, 0, 0], np.float32),
        words=("look",),
        vision_words=cones.texts(look),
        speech_words=none,
        vocabulary=panel,
        likeness=classes().likeness(look, told=False)[0],
    )


def judged(aligner: Aligner, geometry: Geometry, making: str) -> Figures:
    rng, cones = np.random.default_rng(5), Cones(geometry, 384, seed=5)
    content = {"names": classes().rows, "looks": unit_rows(classes().told.sum(axis=0))}[making]
    panel, found = cones.texts(classes().rows), []
    for _ in range(STREAMS):
        shots = rng.choice(1000, SHOTS, replace=False).tolist()
        window = shown(cones.frames(unit_rows(beliefs(rng, shots) @ content)))
        found += decide(aligner, window, [(asked(cones, t, panel), a) for t, a in questions(rng, shots)])
    return figures(found)


def in_space(geometry: Geometry, calibration: SimilarityCalibration) -> SimilarityCalibration:
    panel = Cones(geometry, 384, seed=5).texts(classes().rows)
    return replace(calibration, text=text_curve(panel), panel=panel)


@pytest.mark.parametrize(("space", "making"), [("clip", "looks"), ("siglip", "names")])
def test_the_network_is_at_least_as_good_as_similarity(space: str, making: str) -> None:
    geometry, calibration = SPACES[space]
    network = load_checkpoint(shipped_checkpoint())
    similar = judged(SimilarityAligner(calibration), geometry, making)
    ours = judged(CrossAttentionAligner(network, in_space(geometry, calibration)), geometry, making)
    blind = judged(CrossAttentionAligner(network, calibration), geometry, making)
    print(f"{space} {making}: similarity {similar}, network {ours}, without a panel {blind}")
    assert ours.f1 >= similar.f1 - 0.01
    assert ours.false_per_hour <= similar.false_per_hour
    assert ours.f1 > blind.f1 + 0.05
