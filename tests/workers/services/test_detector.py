"""The detector service: real pictures through the real detectors, as rows of objects."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from workers.detectors.classes import NAMES
from workers.detectors.detector import Detections
from workers.items import MOST_OBJECTS
from workers.services.detector import DetectorService, coloured, rows_of
from workers.types import U8

PERSON, CAT, CAR = (NAMES.index(name) for name in ("person", "cat", "car"))


def picture(name: str) -> U8:
    """Return a public-domain photograph as u8[256, 256, 3]."""
    return np.asarray(Image.fromarray(getattr(data, name)()).convert("RGB").resize((256, 256)))


@pytest.mark.timeout(60)
def test_objects_of_a_batch_come_in_order_of_its_frames() -> None:
    service = DetectorService()
    rows = service.detect(np.stack([picture("astronaut"), picture("chelsea"), picture("coins")])).result(30)
    service.close()
    assert rows.shape == (3, MOST_OBJECTS, 8)
    kinds = [{int(kind) for kind, logit, *_ in frame if logit >= 0} for frame in rows]
    assert PERSON in kinds[0]
    assert CAT in kinds[1]
    assert not {PERSON, CAT} & kinds[2]
    person = next(row for row in rows[0] if row[0] == PERSON)
    left, top, right, bottom = person[2:6]
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert service.snapshot().queue_depth == 0


def found(objects: list[tuple[int, float]], scores: dict[int, float]) -> Detections:
    """Return detections of these classes and logits, and of the whole frame."""
    whole = np.full(len(NAMES), -9.0, np.float32)
    whole[list(scores)] = list(scores.values())
    boxes = np.tile(np.array([[0.1, 0.1, 0.2, 0.2]], np.float32), (len(objects), 1))
    kinds = np.array([kind for kind, _ in objects], np.int64)
    return Detections(boxes, kinds, np.array([logit for _, logit in objects], np.float32), whole)


def test_the_surest_objects_are_kept_best_first() -> None:
    rows = rows_of(found([(PERSON, float(i)) for i in range(MOST_OBJECTS + 5)], {}))
    assert rows[:, 1].tolist() == [float(i) for i in range(MOST_OBJECTS + 4, 4, -1)]


def test_a_frame_without_objects_has_no_rows() -> None:
    assert (rows_of(found([], {}))[:, 1] == -np.inf).all()


def test_what_is_surer_of_the_frame_than_of_a_box_counts_for_its_best_box() -> None:
    rows = rows_of(found([(PERSON, -1.0), (PERSON, -2.0)], {PERSON: 0.5}))
    assert rows[:2, 1].tolist() == [0.5, -2.0]


def test_the_colours_of_vehicles_are_measured_and_of_nothing_else() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[10:20, 10:15] = (200, 20, 20)  # half of the box
    rows = coloured(rows_of(found([(CAR, 1.0), (PERSON, 0.5)], {})), frame)
    assert rows[0, 6:].tolist() == pytest.approx([0.5, 0.0])
    assert not rows[1:, 6:].any()
