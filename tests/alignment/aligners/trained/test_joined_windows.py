"""Windows of several cameras in one pass: each gets what it gets alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from alignment.aligners.trained.cross_attention import TOGETHER, CrossAttentionAligner
from alignment.aligners.trained.incremental import Logits, WindowDelta
from alignment.types import EventQuery
from tests.support.models.aligners import CALIBRATION, FRAME_DIM, NAMES, SENTENCE_DIM, make_query, random_network, units

ALIGNER = CrossAttentionAligner(random_network(), CALIBRATION)


def queries(seed: int, count: int) -> list[EventQuery]:
    """Return descriptions of different length: some without words, some with several paraphrases."""
    rng = np.random.default_rng(seed)
    made = [make_query(rng, i % 3, f"e{i}") for i in range(count)]
    made[0] = replace(made[0], vision=units(rng, 1 + seed % 4, FRAME_DIM))
    made = [replace(q, vocabulary=NAMES, likeness=np.clip(NAMES @ q.vision.T, 0, None).max(1)) for q in made]
    return [replace(q, vision_words=q.vision_words[:0], words=()) if seed % 2 else q for q in made]


class Camera:
    """A stream of clips, some without a frame, that is read clip by clip."""

    def __init__(self, seed: int, events: int, before: int = 0) -> None:
        self.rng, self.at = np.random.default_rng(seed), 1000 * seed
        self.alone, self.joined = (ALIGNER.remember(queries(seed, events)) for _ in range(2))
        self.last = self.clips(0)
        if before:
            asked = self.more(before)
            for memory in (self.alone, self.joined):
                ALIGNER.read([(memory, asked)])

    def clips(self, count: int) -> WindowDelta:
        mask = self.rng.random(count) > 0.2
        frames = np.where(mask[:, None], units(self.rng, count, FRAME_DIM), 0).astype(np.float32)
        said = units(self.rng, 2, SENTENCE_DIM)
        return WindowDelta(self.at, frames, mask, said, np.array([[0.0, 2.0], [2.2, 5.0]]))

    def more(self, count: int) -> WindowDelta:
        """Return new clips behind the provisional one."""
        new, old = self.clips(count), self.last
        begin = self.at - (1 if len(old.mask) else 0)
        self.at += count
        self.last = replace(
            new,
            at=begin,
            frames=np.concatenate([old.frames[-1:], new.frames]),
            mask=np.concatenate([old.mask[-1:], new.mask]),
        )
        return self.last


def assert_equal(found: Logits, expected: Logits) -> None:
    for name in ("seen", "said"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-5)


def hops(cameras: Sequence[Camera], counts: Sequence[int]) -> None:
    """Let every camera read ``counts`` clips, alone and joined; compare the answers."""
    asked = [camera.more(count) for camera, count in zip(cameras, counts, strict=True)]
    found = ALIGNER.read([(c.joined, a) for c, a in zip(cameras, asked, strict=True)])
    for camera, ask, answer in zip(cameras, asked, found, strict=True):
        assert answer.seen.shape == (camera.alone.descriptions, len(ask.mask))
        assert_equal(answer, ALIGNER.read([(camera.alone, ask)])[0])


def test_cameras_read_together_get_what_each_gets_alone() -> None:
    """Different pasts (none, short, longer than the window), numbers of events, and lengths of description."""
    cameras = [Camera(1, 3), Camera(2, 1, before=5), Camera(3, 7, before=74), Camera(4, 2, before=90), Camera(5, 4)]
    hops(cameras, [1] * 5)
    for _ in range(80):
        hops(cameras, [1] * 5)


def test_who_has_more_to_read_is_read_apart() -> None:
    cameras = [Camera(1, 3, before=10), Camera(2, 1, before=5), Camera(3, 2), Camera(4, 2, before=80)]
    for counts in ([1, 4, 1, 4], [1, 1, 1, 1], [16, 2, 3, 16], [1, 1, 1, 1]):
        hops(cameras, counts)


def test_many_descriptions_take_several_passes() -> None:
    cameras = [Camera(seed, TOGETHER // 2, before=3) for seed in (1, 2, 3)]
    hops(cameras, [1, 1, 1])


def test_the_company_may_change_at_every_hop() -> None:
    cameras = [Camera(seed, seed, before=seed * 7) for seed in range(1, 6)]
    rng = np.random.default_rng(0)
    for _ in range(20):
        company = [c for c in cameras if rng.random() < 0.6] or cameras
        hops(company, [1] * len(company))


@pytest.mark.parametrize("back", [1, 3, 200])
def test_what_was_read_may_be_read_again(back: int) -> None:
    """A repeated request, a frame that came late, a past that is all to be read anew."""
    camera, company = Camera(1, 3, before=20), Camera(2, 2, before=20)
    for memory in (camera.alone, camera.joined):
        memory.rewind(camera.at - back)
    again = replace(camera.clips(back), at=camera.at - back)
    other = company.more(back - 1) if back > 1 else company.more(0)
    (found, _) = ALIGNER.read([(camera.joined, again), (company.joined, other)])
    assert_equal(found, ALIGNER.read([(camera.alone, again)])[0])
