"""Detection of people, vehicles and things, by two networks whose logits are fused at each anchor.

Both are SSDs (Liu et al. 2016) on MobileNetV2 (Sandler et al. 2018) with the same 1917 anchors. One was trained on COCO
and one on Open Images: they are wrong about different frames. ADR 0025 compares the ways to fuse them.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from alignment.errors import FeatureError
from alignment.types import F32
from workers.detectors.boxes import I64, suppress
from workers.detectors.classes import COCO_SHARE, RIVALS, common_logits
from workers.detectors.network import SIZE, Network
from workers.types import U8

FLOOR = -3.0  # calibrated logit below which a box is not reported
MOST = 100  # boxes of a frame that are compared with each other


@dataclass(frozen=True, slots=True)
class Detections:
    """What is in one frame: M boxes, best first, and the score of every class of ``classes.CLASSES``.

    ``boxes`` f32[M, 4] are left, top, right, bottom, relative to the frame, from 0 to 1. ``classes`` i64[M] are indices
    into ``CLASSES``. ``logits`` f32[M] are calibrated: 0 is the threshold of a class. ``scores`` f32[K] are calibrated
    logits of each class in the whole frame: the best logit of each network, fused. They find a little more than the
    best box, for which both networks must agree on a place. Boxes are reported down to ``FLOOR``, and the best box of a
    class also below it if the score of the class is above.
    """

    boxes: F32
    classes: I64
    logits: F32
    scores: F32

    def of(self, class_index: int) -> "Detections":
        """Return the boxes of one class, best first. The second box tells whether there are two of it."""
        kept = self.classes == class_index
        return Detections(self.boxes[kept], self.classes[kept], self.logits[kept], self.scores)


class Detectors:
    """Both networks on the processor. Loads in half a second; raises ``ModelUnavailable``."""

    def __init__(self, threads: int = 1) -> None:
        self._coco = Network("coco.onnx", threads)
        self._open_images = Network("open_images.onnx", threads)

    def detect(self, frames: U8) -> tuple[Detections, ...]:
        """Return what each of the RGB frames u8[N, H, W, 3] shows; raise ``FeatureError`` on another shape.

        Frames of any size are squashed to 300×300, so they should be small already. A frame's detections do not depend
        on the frames beside it.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape[1:]:
            raise FeatureError(
                f"frames are {frames.dtype}{list(frames.shape)}, the detectors take uint8[N, H, W, 3]",
                "pass decoded RGB frames",
            )
        return tuple(self._detect(squash(frame)[None]) for frame in frames)

    def _detect(self, small: U8) -> Detections:
        """Return what one frame u8[1, 300, 300, 3] shows. Passes of eight frames take a fifth longer for each frame."""
        (coco_boxes,), (coco,) = self._coco(small)
        (open_images_boxes,), (open_images,) = self._open_images(small)
        return _fuse(coco_boxes, coco, open_images_boxes, open_images)


def squash(frame: U8) -> U8:
    """Return u8[300, 300, 3]: the whole frame, its aspect ratio lost as in the training of the networks."""
    return np.asarray(Image.fromarray(frame).resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def _fuse(coco_boxes: F32, coco: F32, open_images_boxes: F32, open_images: F32) -> Detections:
    """Return one frame's detections for the boxes f32[A, 4] and logits f32[A, classes] of both networks."""
    logits = common_logits(coco, open_images)
    highest = common_logits(coco.max(axis=0, keepdims=True), open_images.max(axis=0, keepdims=True))[0]
    reported = logits >= FLOOR
    reported[logits.argmax(axis=0), np.arange(len(highest))] |= highest >= FLOOR
    anchors, classes = np.nonzero(reported)
    scores = logits[anchors, classes]
    best = np.argsort(-scores, kind="stable")[:MOST]
    anchors, classes, scores = anchors[best], classes[best], scores[best]
    share = COCO_SHARE[classes, None]
    boxes = share * coco_boxes[anchors] + (1 - share) * open_images_boxes[anchors]
    kept = suppress(boxes, RIVALS[classes], scores)
    return Detections(boxes[kept].clip(0, 1), classes[kept], scores[kept], highest)
