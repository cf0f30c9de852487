from collections.abc import Sequence

import numpy as np

from alignment.calibration import LITE_CALIBRATION
from alignment.types import F32
from workers.queries import build_query, query_warnings
from workers.types import U8, EventSpec, FrameSpec, ModelInfo


class LetterEncoder:
    """Counts of letters as embeddings, so that a test can tell which text a row stands for."""

    info = ModelInfo("letters", "test", "letters", "1", 26, "none", "cpu", 0.0)
    frame_spec = FrameSpec(8, 8, "squash")
    background: tuple[str, ...] = ("nothing",)
    vocabulary = np.eye(26, dtype=np.float32)
    calibration = LITE_CALIBRATION

    def encode_frames(self, frames: U8) -> F32:
        return np.zeros((len(frames), 26), np.float32)

    def encode_text(self, texts: Sequence[str]) -> F32:
        rows = np.array([[t.lower().count(chr(97 + i)) for i in range(26)] for t in texts], np.float32).reshape(-1, 26)
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    def likeness(self, rows: F32, told: bool = True) -> F32:
        return rows.sum(axis=0)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        return self.encode_text(texts)[:, ::-1]


ENCODER = LetterEncoder()


def test_a_picture_is_compared_without_its_frame_and_against_the_background() -> None:
    query = build_query(
        EventSpec("e", ("there is a padlock", "a lock on screen"), unlike=("footage of a key",)), ENCODER
    )
    np.testing.assert_array_equal(query.vision, ENCODER.encode_text(["a padlock", "a lock"]))
    np.testing.assert_array_equal(query.vision_unlike, ENCODER.encode_text(["a key", "nothing"]))
    np.testing.assert_array_equal(query.likeness, query.vision.sum(axis=0))
    assert query.vocabulary is ENCODER.vocabulary
    assert query.words == ("padlock",)
    np.testing.assert_array_equal(query.vision_words, ENCODER.encode_text(["padlock"]))
    assert query.prior.tolist() == [1.0, 0.0, 0.0]
    assert query.speech.shape == query.speech_words.shape == (0, 26)
    assert query.speech_unlike.shape == (0, 26)


def test_words_are_compared_without_the_saying() -> None:
    spec = EventSpec("e", ("someone says that it rains",), unlike=("someone says that it snows",))
    query = build_query(spec, ENCODER)
    np.testing.assert_array_equal(query.speech, ENCODER.encode_sentences(["it rains"]))
    np.testing.assert_array_equal(query.speech_unlike, ENCODER.encode_sentences(["it snows"]))
    assert query.prior.tolist() == [0.0, 1.0, 0.0]
    assert query.vision.shape == query.vision_unlike.shape == (0, 26)


def test_each_paraphrase_chooses_its_own_modality() -> None:
    query = build_query(EventSpec("e", ("a dog", "someone mentions a dog", "someone is singing")), ENCODER)
    assert query.prior.tolist() == [1.0, 1.0, 1.0]
    assert (len(query.vision), len(query.speech)) == (1, 1)
    assert query.sound.tolist() == [0.0, 0.0, 1.0]


def test_configured_modalities_overrule_the_wording() -> None:
    query = build_query(EventSpec("e", ("a parcel",), modalities=("vision", "speech")), ENCODER)
    assert query.prior.tolist() == [1.0, 1.0, 0.0]
    np.testing.assert_array_equal(query.speech, ENCODER.encode_sentences(["a parcel"]))


def test_a_sound_no_tag_covers_can_never_fire_and_is_said_so() -> None:
    spec = EventSpec("storm", ("thunder is heard",))
    assert not build_query(spec, ENCODER).sound.any()
    assert [w for w in query_warnings(spec, "lite") if "storm" in w and "thunder" in w]
    assert query_warnings(EventSpec("song", ("someone is singing",)), "lite") == ()
    assert query_warnings(EventSpec("cat", ("a cat",)), "lite") == ()


def test_lite_is_not_asked_for_what_is_not_english() -> None:
    chinese = EventSpec("cat", ("a café with a cat", "一只猫"))
    assert [w for w in query_warnings(chinese, "lite") if "English" in w and "一只猫" in w]
    assert query_warnings(chinese, "transformers") == ()
    assert query_warnings(EventSpec("music", ("听到音乐",)), "lite") == ()
