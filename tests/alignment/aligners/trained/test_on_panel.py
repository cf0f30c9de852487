"""The network in a space that it was not trained in: z-scores against a panel, near similarity."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from alignment.aligners.base import Aligner
from alignment.aligners.similarity import SimilarityAligner
from alignment.aligners.trained.batches import make_batch
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.aligners.trained.network import CrossAttention
from alignment.aligners.trained.on_panel import ROPE
from alignment.calibration import threshold_for_budget
from alignment.panel import PanelReader
from alignment.types import F32, EventQuery, FeatureWindow
from tests.support.models.aligners import CALIBRATION, NAMES, make_query, random_network, shipped_network, units

CLIPS = 90
PANEL = replace(CALIBRATION, panel=NAMES)
RNG = np.random.default_rng(4)
FRAMES = units(RNG, CLIPS, NAMES.shape[1])


def query(seed: int) -> EventQuery:
    made = make_query(np.random.default_rng(seed), 0, f"e{seed}")
    only_seen = np.array([1, 0, 0], np.float32)
    like = np.clip(NAMES @ made.vision[0], 0, None)
    return replace(made, prior=only_seen, vocabulary=NAMES, likeness=like)


QUERIES = [query(0), query(1), replace(query(2), vision_unlike=NAMES[:0])]


def window(frames: np.ndarray = FRAMES) -> FeatureWindow:
    t = np.arange(len(frames), dtype=np.float64)
    none, nothing = np.zeros((0, 10), np.float32), np.zeros((len(frames), 3), np.float32)
    mask = np.arange(len(frames)) % 9 != 4
    shown = np.where(mask[:, None], frames, 0).astype(np.float32)
    return FeatureWindow(np.stack([t, t + 1], 1), shown, mask, none, np.zeros((0, 2)), nothing, ~mask & False)


def logits(aligner: CrossAttentionAligner | SimilarityAligner, w: FeatureWindow) -> np.ndarray:
    p = np.stack([t.p for t in aligner.begin(QUERIES).score(w, 0)]).astype(np.float64)
    return np.asarray(np.log(np.maximum(p, 1e-9) / (1 - p)))


@pytest.mark.parametrize("network", [random_network(), shipped_network()], ids=["random", "shipped"])
def test_the_network_stays_near_similarity(network: CrossAttention) -> None:
    w = window()
    averaged = replace(w, frames=PanelReader(NAMES)(w.frames, w.frame_mask)[0])
    similar, found = logits(SimilarityAligner(PANEL), averaged), logits(CrossAttentionAligner(network, PANEL), w)
    usual = w.frame_mask & (np.abs(similar) < 11)
    assert usual.sum() > 150
    assert np.abs(found - similar)[usual].max() <= ROPE + 0.02
    assert np.abs(found - similar)[usual].mean() > 0.2  # the network has a say


def test_a_space_with_a_gap_gives_the_same_answers() -> None:
    """Two cones with a gap: every cosine is a + b · cosine, a differing from frame to frame."""
    aligner = CrossAttentionAligner(shipped_network(), PANEL)
    here = logits(aligner, window())
    a = RNG.normal(0.2, 0.03, (CLIPS, 1)).astype(np.float32)

    def one(rows: F32) -> F32:
        return np.concatenate([rows, np.ones((len(rows), 1), np.float32)], 1)

    there = [
        replace(q, vision=one(q.vision), vision_words=one(q.vision_words), vision_unlike=one(q.vision_unlike))
        for q in QUERIES
    ]
    moved = CrossAttentionAligner(shipped_network(), replace(PANEL, panel=one(NAMES)))
    w = window(np.concatenate([0.4 * FRAMES, a], 1))
    turned = [replace(q, vocabulary=one(NAMES)) for q in there]
    p = np.stack([t.p for t in moved.begin(turned).score(w, 0)])
    seen = w.frame_mask
    # Frames are compared with each other, too; texts are, by a curve of their own (``text_curve``), here left alone.
    assert np.abs(p - 1 / (1 + np.exp(-here)))[:, seen].max() < 0.2
    plain = CrossAttentionAligner(shipped_network(), CALIBRATION).begin(turned).score(w, 0)
    assert np.abs(np.stack([t.p for t in plain]) - 1 / (1 + np.exp(-here)))[:, seen].max() > 0.3


def test_a_stream_hop_by_hop_scores_as_the_whole_does() -> None:
    aligner, w = CrossAttentionAligner(random_network(), PANEL), window()
    whole = np.stack([t.p for t in aligner.begin(QUERIES).score(w, 0)])
    scorer, end = aligner.begin(QUERIES), 0
    for step in [1, 1, 1, 4, 20, 1, 1, 1, 45]:
        end += step
        part = replace(w, **{n: getattr(w, n)[:end] for n in ("bounds", "frames", "frame_mask", "sound", "sound_mask")})
        p = np.stack([t.p for t in scorer.score(part, 0)])
        np.testing.assert_allclose(p[:, :-1], whole[:, : end - 1], atol=1e-4)
    with torch.inference_mode():
        batch = make_batch([(w, q) for q in QUERIES], PANEL)
        np.testing.assert_allclose(random_network()(batch).foreground.sigmoid()[:, :75], whole[:, :75], atol=1e-4)


def test_a_sliding_window_of_similarity_keeps_its_scores() -> None:
    aligner, w = SimilarityAligner(PANEL), window()
    whole = np.stack([t.p for t in aligner.begin(QUERIES).score(w, 0)])
    scorer = aligner.begin(QUERIES)
    for end in range(1, CLIPS + 1):
        first = max(0, end - 30)
        part = replace(
            w, **{n: getattr(w, n)[first:end] for n in ("bounds", "frames", "frame_mask", "sound", "sound_mask")}
        )
        p = np.stack([t.p for t in scorer.score(part, first)])
        np.testing.assert_allclose(p[:, 1:-1], whole[:, first + 1 : end - 1], atol=1e-5)


@pytest.mark.parametrize(
    "calibration", [CALIBRATION, replace(CALIBRATION, speech=replace(CALIBRATION.speech, scale=25.0, midpoint=0.78))]
)
def test_without_names_a_description_is_unfamiliar_as_in_training(calibration: object) -> None:
    """The network was trained on (-1.45, 0) where no name is known, whatever the curve of sentences is."""
    plain = replace(QUERIES[0], vocabulary=NAMES[:0], likeness=np.zeros(0, np.float32))
    names = shipped_network().describe_seen(make_batch([(window(), plain)], calibration)).names  # type: ignore[arg-type]
    assert names is not None
    assert names.like.tolist() == [[pytest.approx(-1.45)]]


@pytest.mark.parametrize("aligner", [SimilarityAligner, lambda c: CrossAttentionAligner(random_network(), c)])
def test_a_budget_starts_from_what_was_measured_on_a_panel(aligner: Callable[..., Aligner]) -> None:
    with_panel, without = aligner(PANEL).rates, aligner(CALIBRATION).rates
    assert threshold_for_budget(4.0, with_panel) > threshold_for_budget(4.0, without)
