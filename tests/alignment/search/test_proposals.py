"""Cheap scores of stored frames: those of objects as a brute-force search of each frame, and which of them count."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.search.embedding_store import quantize
from alignment.search.moments import aligned
from alignment.search.proposals import StoredObjects, seen_scores
from alignment.types import SOUND_CLASSES, Counted, EventQuery, ObjectQuery, ScoreTrack


def stored(seed: int, frames: int) -> StoredObjects:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, frames).astype(np.uint8)
    n = int(counts.sum())
    logits = rng.normal(0, 2, n).astype(np.float16)
    return StoredObjects(counts, rng.integers(0, 3, n).astype(np.uint8), logits, rng.random((n, 2)).astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    frames=st.integers(0, 12),
    count=st.integers(1, 3),
    colour=st.sampled_from([None, 0, 1]),
    classes=st.sampled_from([(0,), (0, 2), ()]),
)
def test_the_nth_surest_object_of_each_frame_counts(
    seed: int, frames: int, count: int, colour: int | None, classes: tuple[int, ...]
) -> None:
    objects = stored(seed, frames)
    found = objects.logits_of(Counted(classes, count, colour, ease=0.5))
    at = 0
    for frame, n in enumerate(objects.counts):
        rows = range(at, at + int(n))
        at += int(n)
        sure = sorted(
            (
                float(objects.logits[i]) + 0.5
                for i in rows
                if objects.classes[i] in classes and (colour is None or objects.colours[i, colour] >= 0.08)
            ),
            reverse=True,
        )
        wanted = sure[count - 1] if len(sure) >= count else -np.inf
        assert found[frame] == np.float32(wanted)


def query(wanted: ObjectQuery | None) -> EventQuery:
    row, none = np.eye(1, 4, dtype=np.float32), np.zeros((0, 4), np.float32)
    sound, prior = np.zeros(SOUND_CLASSES, np.float32), np.array([1, 0, 0], np.float32)
    return EventQuery("e", row, none, none, none, sound, prior, objects=(wanted,))


def test_looks_and_objects_count_as_they_do_in_the_decision() -> None:
    values, scale = quantize(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0]], np.float32))
    one = np.array([0, 1, 0, 0], np.uint8)
    objects = StoredObjects(one, np.zeros(1, np.uint8), np.array([4.0], np.float16), np.zeros((1, 2), np.float32))
    person = (Counted((0,)),)

    def scores(wanted: ObjectQuery | None, known: StoredObjects | None = objects) -> tuple[list[bool], list[bool]]:
        found = seen_scores(values, scale, known, query(wanted))
        return [*np.isfinite(found.look)], [*(found.objects > 0.5)]

    every, no, here, near = [True] * 4, [False] * 4, [False, True, False, False], [True, True, True, False]
    assert scores(None) == (every, no)
    assert scores(ObjectQuery(person, frames="ignore")) == (no, here)
    assert scores(ObjectQuery(person, frames="either")) == (every, here)
    assert scores(ObjectQuery(person, frames="both")) == (near, no)
    assert scores(ObjectQuery(person, frames="confirm")) == (near, here)
    assert scores(ObjectQuery(person, absent=True)) == (no, [not seen for seen in here])
    assert scores(ObjectQuery(person, frames="both"), None) == (every, no)  # no detector ran


def test_a_moment_is_what_is_about_as_probable_as_its_peak() -> None:
    p = np.array([0.01, 0.02, 0.6, 0.8, 0.7, 0.02, 0.9, 0.1], np.float32)
    bounds = np.stack([np.arange(8.0), np.arange(8.0) + 1], axis=1)
    track = ScoreTrack("e", p, bounds, np.zeros((8, 3), np.float32))
    found = aligned(track, 3.0, 4.0)
    assert (found.start, found.end, found.peak, found.open) == (2.0, 5.0, 3.5, (False, False))
    assert abs(found.score - 0.7) < 1e-6
    faint = aligned(track, 0.0, 0.5)
    assert faint.end <= 2.5 or faint.score > 0.5  # what is far more probable is another moment
    assert aligned(track, 100.0, 101.0).score > 0.5
