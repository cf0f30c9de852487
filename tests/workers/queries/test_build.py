from collections.abc import Sequence

import numpy as np
import pytest

from alignment.calibration import LITE_CALIBRATION
from alignment.lexicon import sound_classes
from alignment.types import F32
from workers.queries.build import build_query
from workers.queries.judging import query_warnings
from workers.types import U8, EventSpec, FrameSpec, ModelInfo, Zone


class LetterEncoder:
    """Counts of letters as embeddings, so that a test can tell which text a row stands for."""

    info = ModelInfo("letters", "test", "letters", "1", 26, "none", "cpu", 0.0)
    frame_spec = FrameSpec(8, 8, "squash")
    vocabulary = np.eye(26, dtype=np.float32)
    calibration = LITE_CALIBRATION

    def encode_frames(self, frames: U8) -> F32:
        return np.zeros((len(frames), 26), np.float32)

    def encode_text(self, texts: Sequence[str]) -> F32:
        rows = np.array([[t.lower().count(chr(97 + i)) for i in range(26)] for t in texts], np.float32).reshape(-1, 26)
        return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)

    def likeness(self, texts: Sequence[str], rows: F32, told: bool = True) -> F32:
        return rows.sum(axis=0)

    def encode_sentences(self, texts: Sequence[str]) -> F32:
        return self.encode_text(texts)[:, ::-1]


ENCODER = LetterEncoder()


def test_a_picture_is_compared_without_its_frame_and_with_its_contrasts() -> None:
    query = build_query(
        EventSpec("e", ("there is a padlock", "a lock on screen"), unlike=("footage of a key",)), ENCODER
    )
    np.testing.assert_array_equal(query.vision, ENCODER.encode_text(["a padlock", "a lock"]))
    np.testing.assert_array_equal(query.vision_unlike, ENCODER.encode_text(["a key"]))
    np.testing.assert_array_equal(query.likeness, query.vision.sum(axis=0))
    assert query.vocabulary is ENCODER.vocabulary
    assert query.words == ("padlock",)
    np.testing.assert_array_equal(query.vision_words, ENCODER.encode_text(["padlock"]))
    assert query.prior.tolist() == [1.0, 0.0, 0.0]
    assert query.speech.shape == query.speech_words.shape == (0, 26)
    assert query.speech_unlike.shape == (0, 26)


def test_a_description_is_never_its_own_contrast() -> None:
    spec = EventSpec("e", ("an empty room", "nobody is there"), unlike=("footage of an empty room", "a full room"))
    np.testing.assert_array_equal(build_query(spec, ENCODER).vision_unlike, ENCODER.encode_text(["a full room"]))


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
    asked = {name for name, weight in zip(sound_classes(), query.sound, strict=True) if weight}
    assert {"Singing", "Choir"} <= asked
    assert not asked & {"Speech", "Music", "Dog"}


def test_configured_modalities_overrule_the_wording() -> None:
    query = build_query(EventSpec("e", ("a parcel",), modalities=("vision", "speech")), ENCODER)
    assert query.prior.tolist() == [1.0, 1.0, 0.0]
    np.testing.assert_array_equal(query.speech, ENCODER.encode_sentences(["a parcel"]))


def test_a_sound_that_is_not_known_can_never_fire_and_the_warning_names_those_that_are() -> None:
    spec = EventSpec("secret", ("the sound of a dragonfruit",))
    assert not build_query(spec, ENCODER).sound.any()
    (warning,) = query_warnings(spec, "lite")
    assert "'the sound of a dragonfruit' cannot be heard" in warning
    assert "glass breaking" in warning
    assert "thunder" in warning
    assert query_warnings(EventSpec("storm", ("thunder is heard",)), "lite") == ()
    assert query_warnings(EventSpec("song", ("someone is singing",)), "lite") == ()
    assert query_warnings(EventSpec("cat", ("a cat",)), "lite") == ()


def test_lite_is_not_asked_for_what_is_not_english() -> None:
    foreign = EventSpec("cat", ("a café with a cat", "ギターを弾く人"))
    assert [w for w in query_warnings(foreign, "lite") if "English" in w and "ギターを弾く人" in w]
    assert query_warnings(foreign, "transformers") == ()
    assert query_warnings(EventSpec("music", ("听到音乐",)), "lite") == ()


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("a red car", None),
        ("a gray wall", None),
        ("a cat", "colour understands colours by name (red, green, "),
        ("someone talks about a parcel", None),
    ],
)
def test_the_profile_colour_warns_of_all_but_colours(text: str, warned: str | None) -> None:
    warnings = query_warnings(EventSpec("x", (text,)), "colour")
    assert len(warnings) == (warned is not None)
    assert all(str(warned) in w and repr(text) in w for w in warnings)


@pytest.mark.parametrize("profile", ["colour", "lite"])
@pytest.mark.parametrize("text", ["someone talks about a parcel", "music is playing"])
def test_what_is_said_or_heard_is_warned_of_where_nothing_is_transcribed(text: str, profile: str) -> None:
    (warning,) = query_warnings(EventSpec("x", (text,)), profile, hears=False)
    assert "speech is not transcribed" in warning
    assert repr(text) in warning
    assert query_warnings(EventSpec("x", ("a red kite",)), profile, hears=False) == ()


@pytest.mark.parametrize(
    ("text", "frames", "in_zone"),
    [
        ("a car", "either", "confirm"),
        ("an empty road", "either", "either"),
        ("a person", "ignore", "ignore"),
        ("a man in a dark hoodie", "both", "both"),
    ],
)
def test_in_a_zone_a_look_alone_is_no_sign_of_an_object(text: str, frames: str, in_zone: str) -> None:
    zone = Zone("gate", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    for zones, expected in (((), frames), ((zone,), in_zone)):
        (asked,) = build_query(EventSpec("e", (text,), zones=zones), ENCODER, detects=True).objects
        assert asked is not None
        assert asked.frames == expected


def test_in_a_zone_things_that_no_detector_knows_are_known_by_their_look() -> None:
    zone = Zone("gate", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    assert build_query(EventSpec("e", ("a padlock",), zones=(zone,)), ENCODER, detects=True).objects == (None,)
