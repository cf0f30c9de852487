"""What towers learn from: frames under descriptions, and which of a batch belong together."""

import numpy as np
import torch

from alignment.towers.backbones import TowerOptions, TwoTowers, Vocabulary
from alignment.training.examples.image_augment import ImageAugmenter
from alignment.training.towers import Captioned, Pictured, TowerTask, TowerValidation, captions

SIDE = 32
TEXTS = ("a red wall", "a wall", "a blue wall")
IDS = Vocabulary(TEXTS)(TEXTS)
SHOWS = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], bool)  # a red frame, a blue one, a dark one
PIXELS = np.array([[220, 20, 20], [20, 20, 220], [5, 5, 5]], np.uint8)
VIDEO = Pictured("v", np.broadcast_to(PIXELS[:, None, None], (3, SIDE, SIDE, 3)).copy(), SHOWS, np.ones(3, bool))


def test_each_description_gives_a_frame_that_it_is_true_of() -> None:
    found = captions([VIDEO])
    assert [c.caption for c in found] == [0, 1, 2]
    for example in found:
        drawn = {tuple(example(np.random.default_rng(seed)).picture[0, 0]) for seed in range(20)}
        assert drawn == {tuple(PIXELS[i]) for i in np.flatnonzero(SHOWS[:, example.caption])}


def test_a_description_that_is_true_of_two_pictures_is_no_contrast_of_either() -> None:
    task = TowerTask(IDS, ImageAugmenter((), SIDE))
    samples = [Captioned(VIDEO.pictures[f], q, SHOWS[f]) for f, q in ((0, 0), (1, 1), (1, 2))]
    batch, pairs = task.collate(samples)
    assert pairs.same.tolist() == [[True, True, False], [False, True, True], [False, True, True]]
    assert torch.equal(batch.ids, IDS[[0, 1, 2]])
    assert torch.allclose(batch.images[0, :, 0, 0], torch.tensor(PIXELS[0] / 255.0, dtype=torch.float32))


def test_validation_counts_only_what_a_video_is_asked_for() -> None:
    torch.manual_seed(0)
    towers = TwoTowers(TowerOptions("mobilenet_v3_small", width=8, side=SIDE), int(IDS.max()) + 1).eval()
    nothing = Pictured("w", VIDEO.pictures[:0], SHOWS[:0], np.ones(3, bool))
    never = Pictured("x", VIDEO.pictures, SHOWS, np.zeros(3, bool))
    found = TowerValidation((VIDEO,), (VIDEO, nothing, never), IDS)(towers)
    assert found == TowerValidation((VIDEO,), (VIDEO,), IDS)(towers)
    assert found["loss"] > 0
    assert TowerValidation((VIDEO,), (nothing,), IDS)(towers)["f1"] == 0.0
