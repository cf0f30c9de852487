"""What slides through an aligner is kept whole, in its last version, and nothing that is decided changes."""

from dataclasses import fields

import numpy as np

from alignment.aligners.similarity import SimilarityAligner
from alignment.calibration import Platt, SimilarityCalibration
from alignment.search.recorder import Recorder, Silence
from alignment.types import F32, SOUND_CLASSES, EventQuery, FeatureWindow, ScoreTrack
from alignment.windows import ClipWindow

CURVE = Platt(10.0, 0.3)
CALIBRATION = SimilarityCalibration(CURVE, CURVE, CURVE)
DIM = 6


def unit(rng: np.random.Generator, n: int = 1) -> F32:
    rows = rng.normal(size=(n, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def queries() -> tuple[EventQuery, ...]:
    rng, none = np.random.default_rng(9), np.zeros((0, DIM), np.float32)
    prior = np.array([1, 1, 0], np.float32)
    return tuple(EventQuery(n, unit(rng), none, unit(rng), none, np.zeros(3, np.float32), prior) for n in ("a", "b"))


def play(recorder: Recorder, size: int, hops: int = 20) -> list[tuple[ScoreTrack, ...]]:
    """Slide a window of ``size`` clips; every seventh frame brings words said four seconds earlier."""
    rng, window, tracks = np.random.default_rng(1), ClipWindow(1.0, DIM, DIM, size), []
    scorer = recorder.begin(queries())
    for i in range(hops):
        window.add_frame(float(i), unit(rng)[0])
        if i % 7 == 6:
            window.add_speech(i - 4.0, i - 2.5, unit(rng)[0])
            window.add_sound(np.array([[i - 1.0, i]]), rng.random((1, SOUND_CLASSES)).astype(np.float32))
        if i == hops - 1:
            window.limit(i + 0.2)
        tracks.append(scorer.score(window.features(), window.first))
        window.trim()
    return tracks


def kept(recorder: Recorder) -> FeatureWindow:
    window = recorder.window()
    assert window is not None
    return window


def test_a_window_that_slid_is_kept_whole() -> None:
    sliding, whole = Recorder(SimilarityAligner(CALIBRATION)), Recorder(SimilarityAligner(CALIBRATION))
    play(sliding, 8)
    play(whole, 1000)
    assert len(kept(sliding).bounds) == 20
    assert len(kept(sliding).speech) == 2
    for f in fields(FeatureWindow):
        np.testing.assert_array_equal(getattr(kept(sliding), f.name), getattr(kept(whole), f.name))
    assert kept(sliding).bounds[-1, 1] == 19.2  # the end that was told last


def test_scores_are_those_of_the_last_look() -> None:
    recorder = Recorder(SimilarityAligner(CALIBRATION))
    tracks = play(recorder, 8)
    scores = recorder.scores()
    assert list(scores) == ["a", "b"]
    for i, event in enumerate(scores):
        assert scores[event].shape == (20,)
        np.testing.assert_array_equal(scores[event][-8:], tracks[-1][i].p[-8:])
        assert scores[event][0] == tracks[8][i].p[0]  # clip 0 was seen last at hop 8, for then nine clips were there
        assert scores[event][0] != tracks[0][i].p[0]  # smoothing and words came later


def test_the_other_aligner_answers_as_if_alone() -> None:
    aligner = SimilarityAligner(CALIBRATION)
    recorder = Recorder(aligner)
    assert (recorder.name, recorder.lookahead) == (aligner.name, aligner.lookahead)
    tracks = play(recorder, 1000)
    alone = aligner.begin(queries()).score(kept(recorder), 0)
    for mine, theirs in zip(tracks[-1], alone, strict=True):
        np.testing.assert_array_equal(mine.p, theirs.p)
        np.testing.assert_array_equal(mine.bounds, theirs.bounds)
    np.testing.assert_array_equal(
        recorder.attend(kept(recorder), queries()[0]), aligner.attend(kept(recorder), queries()[0])
    )


def test_rows_outlive_the_arrays_they_came_in() -> None:
    recorder = Recorder(Silence())
    scorer, window = recorder.begin(queries()), ClipWindow(1.0, DIM, DIM)
    window.add_frame(0.0, np.ones(DIM, np.float32))
    features = window.features()
    scorer.score(features, 0)
    features.frames[:] = 0
    assert kept(recorder).frames.all()


def test_epochs_follow_each_other() -> None:
    recorder = Recorder(SimilarityAligner(CALIBRATION))
    assert recorder.window() is None
    play(recorder, 8, 5)
    recorder.begin(queries())  # one without a clip
    play(recorder, 8, 9)
    assert len(kept(recorder).bounds) == len(recorder.scores()["a"]) == 14
    assert len(kept(recorder).speech) == 1


def test_silence_finds_nothing() -> None:
    recorder = Recorder(Silence())
    tracks = play(recorder, 8)
    assert not any(t.p.any() for found in tracks for t in found)
    assert not recorder.scores()["b"].any()
    assert recorder.attend(kept(recorder), queries()[0]).shape == (20, 0)
