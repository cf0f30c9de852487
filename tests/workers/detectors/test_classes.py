"""The common classes and how the logits of both networks become one."""

import numpy as np
import pytest

from workers.detectors.boxes import suppress
from workers.detectors.classes import CLASSES, COCO_SHARE, NAMES, RIVALS, SLOPE, common_logits

COCO = [c for c in CLASSES if c.coco is not None]
OPEN_IMAGES = [c for c in CLASSES if c.open_images is not None]


def test_a_class_has_one_name_and_comes_from_at_least_one_network() -> None:
    assert len(set(NAMES)) == len(CLASSES)
    assert all(c.coco or c.open_images for c in CLASSES)
    assert {c.name for c in CLASSES if not c.reliable} == {"truck", "bicycle", "backpack", "handbag", "suitcase"}


def test_logits_are_fused_where_both_networks_have_the_class() -> None:
    rng = np.random.default_rng(0)
    coco, open_images = rng.normal(0, 3, (5, len(COCO))), rng.normal(0, 3, (5, len(OPEN_IMAGES)))
    common = common_logits(coco.astype(np.float32), open_images.astype(np.float32))
    for i, c in enumerate(CLASSES):
        if c.coco is None:
            fused = open_images[:, OPEN_IMAGES.index(c)]
        elif c.open_images is None:
            fused = coco[:, COCO.index(c)]
        else:
            fused = open_images[:, OPEN_IMAGES.index(c)] + coco[:, COCO.index(c)] / 2
        np.testing.assert_allclose(common[:, i], SLOPE * (fused - c.threshold), atol=1e-4)


@pytest.mark.parametrize(("name", "share"), [("person", 1 / 3), ("bus", 1.0), ("cat", 0.0)])
def test_a_box_is_of_the_networks_that_have_the_class(name: str, share: float) -> None:
    assert COCO_SHARE[NAMES.index(name)] == pytest.approx(share)


@pytest.mark.parametrize(
    ("pair", "kept"),
    [(("dog", "cat"), [0]), (("cat", "dog"), [0]), (("dog", "person"), [0, 1]), (("car", "bus"), [0, 1])],
)
def test_one_box_is_not_a_dog_and_a_cat(pair: tuple[str, str], kept: list[int]) -> None:
    classes = RIVALS[[NAMES.index(name) for name in pair]]
    boxes = np.array([[0.1, 0.1, 0.5, 0.9], [0.1, 0.12, 0.5, 0.9]], np.float32)
    assert suppress(boxes, classes, np.array([2.0, 1.0], np.float32)).tolist() == kept
    apart = boxes + np.array([[0.0], [0.45]], np.float32)
    assert suppress(apart, classes, np.array([2.0, 1.0], np.float32)).tolist() == [0, 1]
