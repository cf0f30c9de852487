"""The things that the detectors know, by one common list, and how their scores are fused and calibrated.

Fused = Open Images + COCO / 2 (in logits) where both detectors have the class, else the logit of the one that has it.
A calibrated logit is ``SLOPE`` · (fused − threshold): 0 is the score from which a class counts as seen. The thresholds
and what was measured for each are in ``docs/figures.md``; ADR 0025 says why classes are missing.
"""

from dataclasses import dataclass

import numpy as np

from alignment.types import F32

COCO_WEIGHT = 0.5  # of COCO's logit beside that of Open Images, where both have the class
SLOPE = 1.6  # Platt scaling gave 3.2 for people, 2.0 for cars, 1.4 for dogs in photographs, 1.8 for people in videos


@dataclass(frozen=True, slots=True)
class DetectorClass:
    """One class: its number in COCO (1 to 90), its number in the Open Images file (1 to 23), its threshold.

    ``reliable`` is false for what both detectors find too rarely at 300 pixels to answer a description by it.
    """

    name: str
    coco: int | None
    open_images: int | None
    threshold: float
    reliable: bool = True


CLASSES = (
    DetectorClass("person", 1, 4, -0.7),
    DetectorClass("car", 3, 23, -0.6),
    DetectorClass("bus", 6, None, -0.6),
    DetectorClass("truck", 8, None, -0.6, reliable=False),
    DetectorClass("motorcycle", 4, None, 0.3),
    DetectorClass("bicycle", 2, 1, -0.6, reliable=False),
    DetectorClass("boat", 9, None, 0.0),
    DetectorClass("vehicle", None, 18, -0.2),
    DetectorClass("dog", 18, 20, -0.65),
    DetectorClass("cat", None, 8, -0.15),
    DetectorClass("backpack", 27, None, -0.6, reliable=False),
    DetectorClass("handbag", 31, None, -0.6, reliable=False),
    DetectorClass("suitcase", 33, None, -0.6, reliable=False),
    DetectorClass("bottle", 44, 16, -0.6),
    DetectorClass("cup", 47, None, 0.5),
    DetectorClass("chair", 62, 5, -0.5),
    DetectorClass("screen", 72, 10, -0.6),
    DetectorClass("laptop", 73, 3, -0.3),
    DetectorClass("cell phone", 77, None, 0.0),
)
NAMES = tuple(c.name for c in CLASSES)
# Vehicles: the classes of which a colour may be asked. Of others, none is measured.
COLOURED = tuple(NAMES.index(name) for name in ("car", "bus", "truck", "motorcycle", "vehicle"))


def common_logits(coco: F32, open_images: F32) -> F32:
    """Return calibrated logits f32[A, K] of the common classes for the logits f32[A, …] of the two networks."""
    fused = np.zeros((len(coco), len(CLASSES)), np.float32)
    fused[:, _COCO] = coco * _COCO_WEIGHTS[_COCO]
    fused[:, _OPEN_IMAGES] += open_images
    return np.asarray(SLOPE * (fused - _THRESHOLDS), np.float32)


# The class as which a box competes with others in its place: a box is a dog or a cat, whichever is surer.
RIVALS = np.array([NAMES.index("dog") if name == "cat" else i for i, name in enumerate(NAMES)])

_COCO = np.flatnonzero([c.coco is not None for c in CLASSES])
_OPEN_IMAGES = np.flatnonzero([c.open_images is not None for c in CLASSES])
_COCO_WEIGHTS = np.where([c.open_images is None for c in CLASSES], 1.0, COCO_WEIGHT).astype(np.float32)
_THRESHOLDS: F32 = np.array([c.threshold for c in CLASSES], np.float32)

# The share of COCO's box in a fused box, f32[K]: that of its logit in the fused logit.
COCO_SHARE: F32 = np.array(
    [0.0 if c.coco is None else 1.0 if c.open_images is None else COCO_WEIGHT / (1 + COCO_WEIGHT) for c in CLASSES],
    np.float32,
)
