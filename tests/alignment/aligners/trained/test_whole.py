"""A long sequence that is read at once gives the numbers of the sliding network."""

import numpy as np
import pytest

from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.aligners.trained.incremental import WindowDelta
from alignment.aligners.trained.whole import context_of
from alignment.calibration import LITE_CALIBRATION
from alignment.types import F32, Bools, EventQuery

D, NAMES, CLIPS = 24, 40, 190
NO_SPEECH = np.zeros((0, 8), np.float32), np.zeros((0, 2))


def unit(rows: np.ndarray) -> F32:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def aligner() -> CrossAttentionAligner:
    return CrossAttentionAligner(load_checkpoint(shipped_checkpoint()), LITE_CALIBRATION)


@pytest.fixture(scope="module")
def query() -> EventQuery:
    rng = np.random.default_rng(0)
    texts, none = unit(rng.normal(size=(3, D))), np.zeros((0, 8), np.float32)
    likeness = rng.uniform(0, 1, NAMES).astype(np.float32)
    prior, sound = np.array([1, 0, 0], np.float32), np.zeros(521, np.float32)
    names = unit(rng.normal(size=(NAMES, D)))
    return EventQuery(
        "e", texts, texts[:1], none, none, sound, prior, ("a",), texts[:1], vocabulary=names, likeness=likeness
    )


def recording(query: EventQuery) -> tuple[F32, Bools]:
    """Return clips that stay alike for a while, some like the description, some without a frame."""
    rng = np.random.default_rng(1)
    scenes = np.repeat(unit(rng.normal(size=(CLIPS // 10, D))), 10, axis=0)
    rows = (
        scenes + 0.2 * unit(rng.normal(size=(CLIPS, D))) + 0.8 * query.vision[0] * (np.arange(CLIPS) % 60 < 12)[:, None]
    )
    mask = np.ones(CLIPS, bool)
    mask[[40, 41, 42, 100]] = False
    return np.where(mask[:, None], unit(rows), 0).astype(np.float32), mask


def slid(aligner: CrossAttentionAligner, query: EventQuery, frames: F32, mask: Bools) -> F32:
    """Return the final logits of clips that come one by one."""
    memory, out = aligner.remember([query]), np.zeros(CLIPS, np.float32)
    for n in range(CLIPS):
        first, at = max(0, n - 74), max(0, n - 1)
        spoken = NO_SPEECH if n == 0 else (None, None)
        delta = WindowDelta(first, frames[first : n + 1], mask[first : n + 1], *spoken)
        out[at : n + 1] = aligner.read([(memory, delta.since(at))])[0].seen[0]
    return out


def test_the_numbers_are_those_of_the_sliding_network(aligner: CrossAttentionAligner, query: EventQuery) -> None:
    frames, mask = recording(query)
    one_by_one, at_once = slid(aligner, query, frames, mask), aligner.look(query, frames, mask)
    assert np.ptp(one_by_one) > 2
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-4)


def test_a_clip_depends_on_so_many_before_it_and_on_one_behind_it(
    aligner: CrossAttentionAligner, query: EventQuery
) -> None:
    frames, mask = recording(query)
    whole = aligner.look(query, frames, mask)
    lead = context_of(aligner._model)
    part = aligner.look(query, frames[CLIPS - lead - 20 :], mask[CLIPS - lead - 20 :])
    np.testing.assert_allclose(part[lead:], whole[CLIPS - 20 :], atol=1e-4)
    assert np.abs(part[: lead // 2] - whole[CLIPS - lead - 20 :][: lead // 2]).max() > 1e-3
    cut = aligner.look(query, frames[:90], mask[:90])
    np.testing.assert_allclose(cut[:-1], whole[:89], atol=1e-4)
    assert abs(cut[-1] - whole[89]) > 1e-6
