"""Annotated videos as examples: windows, validation apart, and the research repositories' feature files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignment.aligners.trained.batches import collate
from alignment.calibration import CLIP_CALIBRATION
from alignment.errors import FeatureError
from alignment.evaluation.annotations import Annotation
from alignment.training.errors import DatasetError
from alignment.training.examples.data import shuffled
from alignment.training.examples.dataset import Example, held_out, without_bad_rows
from alignment.training.examples.feature_files import FeatureFolders, fit_calibration
from alignment.types import EventQuery, FeatureWindow

RNG = np.random.default_rng(0)
NONE = np.zeros((0, 4), np.float32)


def video(clips: int) -> FeatureWindow:
    speech_t = np.array([[t, t + 3.0] for t in range(0, clips, 10)], np.float64)
    return FeatureWindow(
        bounds=np.stack([np.arange(clips), np.arange(1, clips + 1)], 1).astype(np.float64),
        frames=RNG.normal(size=(clips, 4)).astype(np.float32),
        frame_mask=np.ones(clips, bool),
        speech=RNG.normal(size=(len(speech_t), 4)).astype(np.float32),
        speech_t=speech_t,
        sound=np.zeros((clips, 3), np.float32),
        sound_mask=np.ones(clips, bool),
    )


DESCRIPTION = RNG.normal(size=(1, 4)).astype(np.float32)
ONLY_SEEN = np.array([1, 0, 0], np.float32)
QUERY = EventQuery("e", DESCRIPTION, NONE, NONE, NONE, np.zeros(3, np.float32), ONLY_SEEN)


def example(clips: int, *relevant: tuple[float, float], vid: str = "v") -> Example:
    return Example(vid, video(clips), QUERY, np.array(relevant, np.float64).reshape(-1, 2))


def test_a_window_of_a_long_video_begins_anywhere_and_is_true_every_other_time_at_least() -> None:
    rare = example(2000, (1500.0, 1505.0))
    samples = [rare(np.random.default_rng(i)) for i in range(200)]
    assert {len(s.window.bounds) for s in samples} == {75}
    true = [s for s in samples if len(s.relevant)]
    assert 80 <= len(true) <= 130  # one time in two, and by chance
    starts = {float(s.window.bounds[0, 0]) for s in true}
    assert len(starts) > 40  # the moment is not always at the same place of its window
    for s in true:
        assert s.window.bounds[0, 0] <= s.relevant.min() < s.relevant.max() <= s.window.bounds[-1, 1]
        assert s.relevant[0, 1] - s.relevant[0, 0] <= 5


def test_a_window_holds_what_is_said_in_it_and_the_parts_of_what_is_true_in_it() -> None:
    first, second, rest = example(160, (70.0, 80.0), (150.0, 170.0)).windows()
    assert [w.window.bounds[0, 0] for w in (first, second, rest)] == [0.0, 75.0, 150.0]
    assert first.relevant.tolist() == [[70.0, 75.0]]
    assert second.relevant.tolist() == [[75.0, 80.0]]
    assert rest.relevant.tolist() == [[150.0, 160.0]]
    assert second.window.speech_t[:, 0].tolist() == [80.0, 90.0, 100.0, 110.0, 120.0, 130.0, 140.0]


def test_descriptions_that_are_never_true_are_examples_too() -> None:
    (only,) = example(30).windows()
    assert only.relevant.shape == (0, 2)
    _, targets = collate([only], CLIP_CALIBRATION)
    assert targets.foreground.sum() == 0


def test_rows_that_are_no_numbers_are_unseen_and_counted() -> None:
    bad = video(20)
    bad.frames[3, 1], bad.speech[1, 0], bad.sound[7, 2] = np.nan, np.inf, np.nan
    cleaned, count = without_bad_rows(bad)
    assert count == 3
    assert np.flatnonzero(~cleaned.frame_mask).tolist() == [3]
    assert np.flatnonzero(~cleaned.sound_mask).tolist() == [7]
    assert cleaned.speech_t[:, 0].tolist() == [0.0]
    assert np.isfinite(cleaned.frames).all()
    assert len(cleaned.bounds) == 20


def test_videos_are_held_out_whole_and_by_seed() -> None:
    examples = [example(20, vid=f"v{i // 3}") for i in range(30)]
    train, apart = held_out(examples, 0.2, seed=1)
    assert {e.vid for e in train}.isdisjoint(e.vid for e in apart)
    assert (len(train), len(apart)) == (24, 6)
    assert [e.vid for e in held_out(examples, 0.2, seed=1)[1]] == [e.vid for e in apart]
    assert held_out(examples, 0.0, seed=1) == (examples, [])
    with pytest.raises(DatasetError, match=r"1 video\(s\) are too few.*validation_share: 0"):
        held_out([example(20)], 0.1, seed=1)


CLIPS, WIDE, DESCRIBED = 30, 6, 4
TRUE = Annotation(1, "a dog", "dog_0.0_60.0", 60.0, ((20.0, 40.0),))
NEVER = Annotation(2, "a cat", "dog_0.0_60.0", 60.0, ())


def unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def folders(tmp_path: Path) -> FeatureFolders:
    """Features as research repositories have them: SlowFast and CLIP of a video, CLIP of its descriptions."""
    rng = np.random.default_rng(1)
    for name in ("slowfast", "clip", "texts"):
        (tmp_path / name).mkdir()
    dog, cat = unit(rng.normal(size=(2, DESCRIBED)))
    frames = rng.normal(size=(CLIPS, DESCRIBED)) * 0.1
    frames[10:20] += dog
    np.savez(tmp_path / "slowfast" / f"{TRUE.vid}.npz", features=rng.normal(size=(CLIPS + 1, WIDE)).astype(np.float16))
    np.savez(tmp_path / "clip" / f"{TRUE.vid}.npz", features=frames.astype(np.float32))
    tokens = rng.normal(size=(5, DESCRIBED)).astype(np.float32)
    np.savez(tmp_path / "texts" / "qid1.npz", last_hidden_state=tokens, pooler_output=dog.astype(np.float32))
    np.savez(tmp_path / "texts" / "qid2.npz", last_hidden_state=np.stack([cat, cat]).astype(np.float32))
    return FeatureFolders((tmp_path / "slowfast", tmp_path / "clip"), tmp_path / "texts")


def test_feature_folders_are_joined_and_descriptions_lie_in_the_space_that_is_theirs(folders: FeatureFolders) -> None:
    (true, never), bad = folders.examples([TRUE, NEVER])
    assert bad == 0
    assert true.video is never.video
    assert true.video.frames.shape == (CLIPS, WIDE + DESCRIBED)
    assert true.video.bounds[[0, -1]].tolist() == [[0.0, 2.0], [58.0, 60.0]]
    assert np.linalg.norm(true.video.frames, axis=1) == pytest.approx(1, abs=1e-3)
    assert (true.query.vision[:, :WIDE] == 0).all()
    assert true.query.vision_words.shape == (5, WIDE + DESCRIBED)
    assert len(true.query.words) == 5
    alike = (true.video.frames @ true.query.vision.T)[:, 0] * np.sqrt(2)  # of two parts, each counts half
    assert alike[10:20].min() > 0.9 > alike[:10].max()
    assert never.query.vision.shape == (1, WIDE + DESCRIBED)  # the mean of its tokens, where no whole is given


def test_the_curve_of_unknown_features_is_fitted_and_is_clips_where_cosines_say_nothing(
    folders: FeatureFolders,
) -> None:
    examples, _ = folders.examples([TRUE, NEVER])
    curve = fit_calibration(examples).vision
    alike = (examples[0].video.frames @ examples[0].query.vision.T)[:, 0]
    assert (curve(alike)[10:20] > 0.5).all()
    assert (curve(alike)[:10] < 0.5).all()
    assert fit_calibration([examples[1]]) == CLIP_CALIBRATION


def test_safetensors_hold_the_same_features_and_single_folders_do(folders: FeatureFolders, tmp_path: Path) -> None:
    with np.load(folders.videos[1] / f"{TRUE.vid}.npz") as archive:
        (tmp_path / "single").mkdir()
        save_file({"features": archive["features"]}, tmp_path / "single" / f"{TRUE.vid}.safetensors")
    (one,), _ = FeatureFolders((tmp_path / "single",), folders.texts).examples([TRUE])
    (two,), _ = FeatureFolders((folders.videos[1],), folders.texts).examples([TRUE])
    assert np.array_equal(one.video.frames, two.video.frames)
    assert np.allclose(one.video.frames @ one.query.vision.T, two.video.frames @ two.query.vision.T)


def test_examples_of_feature_files_make_batches(folders: FeatureFolders) -> None:
    examples, _ = folders.examples([TRUE, NEVER])
    batch, targets = collate(shuffled(examples, 2, seed=0)(0), fit_calibration(examples))
    assert batch.frames.shape == (2, CLIPS, WIDE + DESCRIBED)
    assert batch.tokens.shape == (2, 6, WIDE + DESCRIBED)
    assert sorted(targets.foreground.sum(1).tolist()) == [0.0, 10.0]


def test_nan_rows_of_feature_files_are_dropped_and_counted(folders: FeatureFolders) -> None:
    path = folders.videos[1] / f"{TRUE.vid}.npz"
    rows = np.ones((CLIPS, DESCRIBED), np.float32)
    rows[4] = np.nan
    np.savez(path, features=rows)
    (one, _), bad = folders.examples([TRUE, NEVER])
    assert bad == 1
    assert np.flatnonzero(~one.video.frame_mask).tolist() == [4]


def overwrite(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.unlink(), r"clip has no dog_0.0_60.0.npz — extract its features"),
        (lambda p: p.write_bytes(b"PK\x03\x04 cut short"), r"60.0.npz cannot be read: .* — copy or extract it again"),
        (lambda p: p.write_bytes(p.read_bytes()[:200]), r"60.0.npz cannot be read"),
        (lambda p: p.write_bytes(b""), r"60.0.npz cannot be read"),
        (overwrite(feats=np.ones((30, 4))), r"has no array 'features', it has feats — store the rows as 'features'"),
        (overwrite(features=np.array([{"a": 1}], object)), r"cannot be read: .*allow_pickle=False"),
        (overwrite(features=np.ones(30)), r"features is float64\[30\], not numbers \[rows, width\]"),
        (overwrite(features=np.ones((90, 4))), r"has 90 clips of 2 s, but .* last 60 s — set clip_seconds"),
        (overwrite(features=np.ones((28, 4))), r"differ in number of clips \(.*slowfast.*: 31, .*clip.*: 28\)"),
        (overwrite(features=np.ones((30, 5))), r"qid1.npz has rows of width 4, but the videos' features have 6, 5"),
    ],
)
def test_a_feature_file_that_does_not_fit_is_named_with_a_remedy(
    spoil: Callable[[Path], None], message: str, folders: FeatureFolders
) -> None:
    spoil(folders.videos[1] / f"{TRUE.vid}.npz")
    with pytest.raises(FeatureError, match=message):
        folders.examples([TRUE])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"tokens": np.ones((3, 4))}, "qid1.npz has neither pooler_output nor last_hidden_state"),
        ({"pooler_output": np.full(4, np.nan)}, "qid1.npz has a description that is not finite"),
        ({"last_hidden_state": np.full((3, 4), np.nan)}, "qid1.npz has a description that is not finite"),
    ],
)
def test_text_features_that_say_nothing_are_named(
    arrays: dict[str, Any], message: str, folders: FeatureFolders
) -> None:
    np.savez(folders.texts / "qid1.npz", **arrays)
    with pytest.raises(FeatureError, match=message):
        folders.examples([TRUE])


def test_a_video_name_never_leads_out_of_its_folder(folders: FeatureFolders) -> None:
    outside = Annotation(1, "a dog", f"../clip/{TRUE.vid}", 60.0, ())
    with pytest.raises(FeatureError, match=r"slowfast has no \.\./clip"):
        folders.examples([outside])
