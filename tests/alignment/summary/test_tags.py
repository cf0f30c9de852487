"""Names of what frames show and of what is heard."""

import numpy as np

from alignment.calibration import LITE_CALIBRATION
from alignment.lexicon import sound_classes, things
from alignment.summary.tags import NO_NAMES, SURE, Heard, Panel, heard_tags, names_seen, seen_tags
from alignment.types import SOUND_CLASSES
from alignment.vectors import unit_rows

NAMES = [f"thing {n}" for n in range(400)]
ROWS = unit_rows(np.random.default_rng(0).normal(size=(400, 128)))


def test_a_frame_has_the_name_that_it_is_surely_like() -> None:
    noise = unit_rows(np.random.default_rng(1).normal(size=(3, 128)))
    clear, unclear = unit_rows(ROWS[[7, 7, 9]] + 0.8 * noise), noise
    assert names_seen(clear, Panel(ROWS, NAMES)).tolist() == [7, 7, 9]
    assert names_seen(unclear, Panel(ROWS, NAMES)).tolist() == [-1, -1, -1]
    assert names_seen(clear, Panel(ROWS, NAMES, strength=1e3)).tolist() == [-1, -1, -1]  # a space of louder names
    assert names_seen(clear, NO_NAMES).tolist() == [-1, -1, -1]
    assert SURE > 3.2  # the largest of a thousand z-scores of noise


def test_tags_say_for_how_long_and_leave_out_what_flickers() -> None:
    found = seen_tags({"cat": np.arange(10.0), "dog": np.arange(20.0, 32.0), "hat": np.array([3.0, 9.0])}, 0.5)
    assert [(t.name, t.kind, t.seconds) for t in found] == [("dog", "seen", 6.0), ("cat", "seen", 5.0)]
    assert found[0].best == 26.0


def test_sounds_from_their_thresholds() -> None:
    p = np.zeros((6, SOUND_CLASSES), np.float32)
    p[2:4, sound_classes().index("Bark")] = 0.6, 0.9
    p[5, sound_classes().index("Speech")] = 0.05
    bounds = np.stack([np.arange(6) / 2, np.arange(6) / 2 + 0.5], axis=1)
    found = heard_tags(Heard(p, bounds))
    assert [(t.name, t.kind, t.seconds, t.best) for t in found] == [("dog barking", "heard", 1.0, 1.75)]
    assert heard_tags(Heard(p[:0], bounds[:0])) == ()


def test_an_encoder_has_the_names_of_the_lexicon_or_none() -> None:
    vocabulary = np.eye(1000, dtype=np.float32)
    assert Panel.of(LITE_CALIBRATION, vocabulary).names[0] == things()[0].name
    assert Panel.of(LITE_CALIBRATION, vocabulary[:7]) is NO_NAMES
