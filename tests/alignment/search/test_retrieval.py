"""Stored embeddings: what was planted is found, in whole numbers as in fractions."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment.errors import FeatureError
from alignment.search.embedding_store import EmbeddingStore, Rows, build_store, quantize
from alignment.search.feature_file import FeatureFile
from alignment.search.peaks import joined_rows, peaks
from alignment.search.retrieval import Moment, image_to_moments, text_to_moments, words_to_moments
from alignment.search.scan import CHUNK_ROWS, best_products
from alignment.types import F32, SOUND_CLASSES, EventQuery, FeatureWindow

WIDTH = 64
TOPICS = np.linalg.qr(np.random.default_rng(5).normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)


def unit(rows: np.ndarray) -> F32:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def video(
    name: str, topics: list[int], seed: int = 0, said: list[tuple[float, float, int, str]] | None = None
) -> FeatureFile:
    """A clip a second, of one topic each with noise a third as long; utterances are (start, end, topic, text)."""
    rng, t, said = np.random.default_rng(seed), np.arange(len(topics), dtype=np.float64), said or []
    frames = unit(TOPICS[topics] + rng.normal(0, 0.33 / np.sqrt(WIDTH), (len(topics), WIDTH)))
    window = FeatureWindow(
        bounds=np.stack([t, t + 1], axis=1),
        frames=frames,
        frame_mask=np.ones(len(topics), bool),
        speech=TOPICS[[s[2] for s in said]],
        speech_t=np.array([s[:2] for s in said], np.float64).reshape(-1, 2),
        sound=np.zeros((len(topics), SOUND_CLASSES), np.float32),
        sound_mask=np.zeros(len(topics), bool),
    )
    return FeatureFile(name, window, tuple(s[3] for s in said), "test/topics@1", 1.0, float(len(topics)))


def query(seen: int | None = None, said: int | None = None, words: tuple[str, ...] = ()) -> EventQuery:
    none = np.zeros((0, WIDTH), np.float32)
    rows = [none if topic is None else TOPICS[[topic]] for topic in (seen, said)]
    return EventQuery("e", rows[0], none, rows[1], none, np.zeros(3, np.float32), np.ones(3, np.float32), words)


TWO = (
    video("door", [0] * 20 + [1] * 8 + [0] * 12, 1),
    video("yard", [2] * 5 + [1] * 4 + [2] * 5 + [3] * 6, 2),
)


@pytest.mark.parametrize("int8", [False, True])
def test_text_finds_every_stretch_the_best_first(int8: bool) -> None:
    moments = text_to_moments(build_store(TWO, int8), query(seen=1), k=2)
    assert {(m.video, m.start, m.end) for m in moments} == {("door", 20, 28), ("yard", 5, 9)}
    assert 0.8 < moments[1].score <= moments[0].score <= 1.01


def test_one_video_can_be_searched_alone_and_gives_the_same() -> None:
    store = build_store(TWO)
    (moment,) = text_to_moments(store.of("yard"), query(seen=1), k=1)
    assert (moment.video, moment.start, moment.end) == ("yard", 5, 9)
    with pytest.raises(FeatureError, match=r"'attic' is not stored — stored are door, yard"):
        store.of("attic")


def test_a_picture_finds_what_looks_like_it() -> None:
    (best, *_) = image_to_moments(build_store(TWO), TWO[1].window.frames[17])
    assert (best.video, best.start, best.end) == ("yard", 14, 20)


def test_neighbours_in_the_store_are_not_neighbours_across_videos_or_gaps() -> None:
    first = video("a", [1] * 6, 3)
    second = video("b", [1] * 6 + [0] * 30, 4)
    moments = text_to_moments(build_store([first, second]), query(seen=1), k=2)
    assert {(m.video, m.start, m.end) for m in moments} == {("a", 0, 6), ("b", 0, 6)}
    gone = replace(second.window, frame_mask=np.arange(36) % 9 != 2)  # one frame missing; then four
    moments = text_to_moments(build_store([replace(second, window=gone)]), query(seen=1), k=1)
    assert (moments[0].start, moments[0].end) == (0, 6)
    gone = replace(second.window, frame_mask=(np.arange(36) < 1) | (np.arange(36) > 3))
    moments = text_to_moments(build_store([replace(second, window=gone)]), query(seen=1), k=2)
    assert {(m.start, m.end) for m in moments} == {(0, 1), (4, 6)}


def test_words_find_who_meant_them_and_before_them_who_said_them() -> None:
    said = [
        (0.0, 2.0, 7, "Nothing much."),
        (2.2, 4.0, 8, "Ask not"),
        (9.0, 11.0, 8, "It is a question."),
        (11.3, 12, 9, "Yes."),
    ]
    store = build_store([video("talk", [0] * 12, said=said)])
    by_meaning = words_to_moments(store, query(said=8))
    assert [(m.start, m.end, m.text) for m in by_meaning[:2]] == [
        (2.2, 4.0, "Ask not"),
        (9.0, 11.0, "It is a question."),
    ]
    by_word = words_to_moments(store, query(said=8, words=("a question",)))
    assert [m.text for m in by_word[:2]] == ["It is a question.", "Ask not"]
    assert by_word[0].score == pytest.approx(by_word[1].score + 0.2)
    assert words_to_moments(store, query(seen=1)) == ()
    assert words_to_moments(build_store(TWO), query(said=1)) == ()


def test_one_utterance_is_a_moment_although_nothing_is_usual() -> None:
    store = build_store([video("talk", [0], said=[(0.0, 0.9, 7, "Hello.")])])
    (moment,) = words_to_moments(store, query(said=7))
    near: Any = pytest.approx
    assert moment == Moment("talk", 0.0, near(0.9), near(1.0, abs=0.02), "Hello.")


@settings(max_examples=80, deadline=None)
@given(
    clips=st.integers(30, 400),
    length=st.integers(3, 12),
    place=st.floats(0, 1),
    seed=st.integers(0, 2**16),
    int8=st.booleans(),
)
def test_the_best_moment_is_the_planted_one(clips: int, length: int, place: float, seed: int, int8: bool) -> None:
    start = round(place * (clips - length))
    topics = np.random.default_rng(seed).integers(2, WIDTH, clips)
    topics[start : start + length] = 1
    store = build_store([video("v", [int(t) for t in topics], seed)], int8)
    best, *others = text_to_moments(store, query(seen=1))
    assert best.start - 1 <= start
    assert best.end + 1 >= start + length
    assert best.end - best.start <= length + 2  # smoothing may take in a neighbour
    assert all(m.end <= best.start or m.start >= best.end for m in others)
    assert all(a.score >= b.score for a, b in zip([best, *others], others, strict=False))


def test_whole_numbers_agree_with_fractions() -> None:
    rng = np.random.default_rng(0)
    rows, texts = unit(rng.normal(size=(2000, 512))), unit(rng.normal(size=(50, 512)))
    values, scale = quantize(rows)
    assert np.abs(values * scale[:, None] - rows).max() <= scale.max() / 2 + 1e-7
    assert len(rows) % CHUNK_ROWS
    differences = np.concatenate([best_products(values, scale, t[None]) - rows @ t for t in texts])
    assert np.abs(differences).max() < 0.005
    assert np.sqrt(np.mean(differences**2)) < 0.0007  # a seventieth of the spread of chance cosines, 1/√512
    zero = quantize(np.zeros((1, 4), np.float32))
    assert not zero[0].any()
    assert np.isfinite(zero[1]).all()


def day(path: Path, rows: int = 86_400, width: int = 512) -> EmbeddingStore:
    """Return a day of one camera with a planted minute, whose rows are mapped from a file."""
    rng = np.random.default_rng(0)
    values = rng.integers(-40, 41, (rows, width), np.int8)
    values[50_000:50_060] = 30
    scale = (1 / np.linalg.norm(values.astype(np.float32), axis=1)).astype(np.float32)
    values.tofile(path)
    t = np.arange(rows, dtype=np.float64)
    mapped = np.memmap(path, np.int8, "r", shape=(rows, width))
    clips = Rows(mapped, scale, np.stack([t, t + 1], axis=1), np.zeros(rows, np.int32))
    none = np.zeros(0, np.float32)
    said = Rows(np.zeros((0, 8), np.int8), none, np.zeros((0, 2)), np.zeros(0, np.int32))
    return EmbeddingStore("x", ("camera",), clips, said, ())


def test_a_day_is_searched_in_little_memory(tmp_path: Path) -> None:
    store = day(tmp_path / "day")
    tracemalloc.start()
    (best,) = image_to_moments(store, np.full(512, 512**-0.5, np.float32), k=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (best.start, best.end) == (50_000, 50_060)
    assert peak < 10e6  # a fifth of the day


def test_rows_that_are_no_numbers_and_clips_without_a_frame_are_not_stored() -> None:
    sick = video("v", [1] * 6, said=[(0.0, 1.0, 7, "a"), (1.0, 2.0, 8, "b")])
    sick.window.frames[2] = np.nan
    sick.window.frame_mask[4] = False
    sick.window.speech[0] = np.inf
    store = build_store([sick])
    assert (len(store.clips.values), store.texts) == (4, ("b",))
    assert list(store.clips.bounds[:, 0]) == [0, 1, 3, 5]


def test_what_does_not_fit_together_is_told() -> None:
    with pytest.raises(FeatureError, match="2 encoders"):
        build_store([TWO[0], replace(TWO[1], encoder="other")])
    with pytest.raises(FeatureError, match="0 encoders"):
        build_store([])
    with pytest.raises(FeatureError, match="width 8, the store 64"):
        image_to_moments(build_store(TWO), np.ones(8, np.float32))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 1200), block=st.integers(1, 600))
def test_peaks_are_those_that_are_found_row_by_row(seed: int, rows: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.repeat(rng.uniform(-1, 1, rows // block + 1), block)[:rows].astype(np.float32)
    scores += rng.uniform(0, 0.01, rows).astype(np.float32)
    starts = np.cumsum(1 + 3.0 * (rng.uniform(size=rows) < 0.01))
    joined = joined_rows(np.stack([starts, starts + 1], axis=1), (np.arange(rows) // 700).astype(np.int32), 2.5)
    left = scores.copy()
    for found in [p for p, _ in zip(peaks(scores, joined, 0.0), range(5), strict=False)]:
        row = int(left.argmax())
        assert (found.row, found.height) == (row, left[row])
        assert (found.first, found.last) == reach(left, joined, row, 0.5 * float(left[row]))
        first, last = reach(left, joined, row, 0.25 * float(left[row]))
        left[first : last + 1] = -np.inf


def reach(scores: np.ndarray, joined: np.ndarray, row: int, level: float) -> tuple[int, int]:
    first = last = row
    while first and joined[first - 1] and scores[first - 1] >= level:
        first -= 1
    while last + 1 < len(scores) and joined[last] and scores[last + 1] >= level:
        last += 1
    return first, last
