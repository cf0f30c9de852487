"""A description that means a name, before clips that look more like another one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alignment.aligners.trained import another_name
from alignment.aligners.trained.another_name import meant_names, nearer_to_another
from alignment.aligners.trained.batches import Sample, make_batch
from tests.support.models.aligners import CALIBRATION, NAMES, named_sample, shipped_network

OWN, OTHER = 3, 5


def test_names_that_are_nearly_as_alike_are_meant_too() -> None:
    meant = meant_names(torch.tensor([[0.2, 0.95, 0.9, 0.5], [0.2, 0.3, 0.8, 0.7]]))
    assert {*meant[0].tolist()} == {1, 2}
    assert {*meant[1].tolist()} == {-1}


def test_a_clip_may_be_a_little_nearer_to_another_name() -> None:
    known = torch.tensor([[[0.9, 0.86], [0.9, 0.8], [0.5, 0.9]]])  # of three clips and two names
    free, first, none = (nearer_to_another(known, torch.tensor([[n, n]]), torch.tensor([30.0])) for n in (1, 0, -1))
    np.testing.assert_allclose(free, [[0.0, 30 * 0.1 - 1.5, 0.0]], atol=1e-5)
    np.testing.assert_allclose(first, [[0.0, 0.0, 30 * 0.4 - 1.5]], atol=1e-5)
    assert not none.any()


def meaning(likeness: float) -> Sample:
    """Return a description that is that like the name ``OWN``; the camera shows it, and then ``OTHER``."""
    sample = named_sample(1)
    like = np.full(len(NAMES), 0.2, np.float32)
    like[OWN] = likeness
    frames = np.repeat(NAMES[[OWN, OTHER]], 8, axis=0)
    seen = replace(sample.window, frames=frames, frame_mask=np.ones(16, bool))
    return replace(sample, window=seen, query=replace(sample.query, vision=NAMES[OWN : OWN + 1], likeness=like))


@torch.inference_mode()
def logits(sample: Sample) -> torch.Tensor:
    model, batch = shipped_network(), make_batch([(sample.window, sample.query)], CALIBRATION)
    return model.see(batch.frames, batch.frame_mask, batch.scales, model.describe_seen(batch)).logit[0]


def test_the_network_lowers_what_looks_more_like_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    after = logits(meaning(0.95))
    monkeypatch.setattr(another_name, "MEANT", 2.0)
    before = logits(meaning(0.95))
    distance = float(1 - NAMES[OWN] @ NAMES[OTHER])
    np.testing.assert_allclose(before - after, [0.0] * 8 + [10 * distance - 1.5] * 8, atol=1e-4)


def test_a_description_that_only_resembles_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    after = logits(meaning(0.85))
    monkeypatch.setattr(another_name, "MEANT", 2.0)
    torch.testing.assert_close(logits(meaning(0.85)), after)


def test_an_encoder_without_names_knows_no_other() -> None:
    sample = meaning(0.95)
    nameless = replace(sample.query, vocabulary=NAMES[:0], likeness=np.zeros(0, np.float32))
    assert logits(replace(sample, query=nameless)).isfinite().all()
