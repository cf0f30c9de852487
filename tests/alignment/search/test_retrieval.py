"""Stored embeddings: what was planted is found, in whole numbers as in fractions, from memory as from disk."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from alignment.errors import FeatureError
from alignment.search.embedding_store import EmbeddingStore, Rows, build_store, open_store, quantize, save_store
from alignment.search.feature_file import FeatureFile
from alignment.search.retrieval import Moment, image_to_moments, text_to_moments, words_to_moments
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
    exact = Rows(rows, np.ones(2000, np.float32), np.zeros((2000, 2)), np.zeros(2000, np.int32))
    stored = Rows(values, scale, exact.bounds, exact.video)
    differences = np.concatenate([stored.cosines(t[None]) - exact.cosines(t[None]) for t in texts])
    assert np.abs(differences).max() < 0.005
    assert np.sqrt(np.mean(differences**2)) < 0.0007  # a seventieth of the spread of chance cosines, 1/√512
    zero = quantize(np.zeros((1, 4), np.float32))
    assert not zero[0].any()
    assert np.isfinite(zero[1]).all()


def day(path: Path, rows: int = 86_400, width: int = 512) -> None:
    """Write a day of one camera with a planted minute."""
    rng = np.random.default_rng(0)
    values = rng.integers(-40, 41, (rows, width), np.int8)
    values[50_000:50_060] = 30
    t = np.arange(rows, dtype=np.float64)
    scale = (1 / np.linalg.norm(values.astype(np.float32), axis=1)).astype(np.float32)
    clips = Rows(values, scale, np.stack([t, t + 1], axis=1), np.zeros(rows, np.int32))
    none = np.zeros(0, np.float32)
    said = Rows(np.zeros((0, 8), np.int8), none, np.zeros((0, 2)), np.zeros(0, np.int32))
    save_store(path, EmbeddingStore("x", ("camera",), clips, said, ()))


def test_a_day_is_44_megabytes_and_is_searched_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "day"
    day(path)
    assert path.stat().st_size == pytest.approx(44.2e6 + 86_400 * 24, rel=0.001)  # rows; bounds, scale and video
    store = open_store(path)
    assert isinstance(store.clips.values, np.memmap)
    tracemalloc.start()
    (best,) = image_to_moments(store, np.full(512, 512**-0.5, np.float32), k=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (best.start, best.end) == (50_000, 50_060)
    assert peak < 16e6  # a third of the day


def test_a_stored_store_is_the_same(tmp_path: Path) -> None:
    said = [(0.0, 2.0, 7, "你好"), (3.0, 4.0, 8, "")]
    store = build_store([*TWO, video("talk", [4, 5], said=said)])
    save_store(tmp_path / "s", store)
    read = open_store(tmp_path / "s")
    assert (read.encoder, read.videos, read.texts) == (store.encoder, store.videos, store.texts)
    for mine, theirs in ((store.clips, read.clips), (store.said, read.said)):
        for name in Rows.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert text_to_moments(read, query(seen=1)) == text_to_moments(store, query(seen=1))
    assert words_to_moments(read.of("talk"), query(said=7))[0].text == "你好"
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_rows_that_are_no_numbers_and_clips_without_a_frame_are_not_stored() -> None:
    sick = video("v", [1] * 6, said=[(0.0, 1.0, 7, "a"), (1.0, 2.0, 8, "b")])
    sick.window.frames[2] = np.nan
    sick.window.frame_mask[4] = False
    sick.window.speech[0] = np.inf
    store = build_store([sick])
    assert (len(store.clips.values), store.texts) == (4, ("b",))
    assert list(store.clips.bounds[:, 0]) == [0, 1, 3, 5]


def test_what_does_not_fit_together_is_told(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="2 encoders"):
        build_store([TWO[0], replace(TWO[1], encoder="other")])
    with pytest.raises(FeatureError, match="0 encoders"):
        build_store([])
    with pytest.raises(FeatureError, match="width 8, the store 64"):
        image_to_moments(build_store(TWO), np.ones(8, np.float32))
    with pytest.raises(FeatureError, match="cannot write"):
        save_store(tmp_path / "absent" / "s", build_store(TWO))
    with pytest.raises(FeatureError, match="cannot read"):
        open_store(tmp_path / "absent")


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s"
    save_store(path, build_store(TWO))
    content = path.read_bytes()
    for name, data in {"cut": content[:-9], "text": b"words", "empty": b""}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FeatureError, match=f"{name} is not a store of embeddings, or is damaged"):
            open_store(tmp_path / name)
    tensors = load_file(path)
    mixed = np.arange(60, dtype=np.int32) % 2
    for change in (
        {"clips.scale": np.ones(3, np.float32)},
        {"clips.video": np.full(60, 9, np.int32)},
        {"clips.video": mixed},
    ):
        save_store(path, build_store(TWO))
        metadata = {"format": "watchword-embeddings/1", "store": '{"encoder": "x", "videos": ["a", "b"], "texts": []}'}
        save_file(tensors | change, path, metadata)
        with pytest.raises(FeatureError, match="its arrays have contradictory lengths"):
            open_store(path)
    save_file(tensors, path)
    with pytest.raises(FeatureError, match="its format is None"):
        open_store(path)
