"""The profile `colour`: frames and descriptions by the colours that they show and name, without a model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alignment.errors import FeatureError
from tests.support.streams.pipelines import write_colours
from workers.encoders.colour import SIZE, ColourEncoder
from workers.models.colours import COLOURS

HEAVY = ("torch", "transformers", "matplotlib", "ray", "open_clip", "faster_whisper", "ctranslate2")


def frames_of(*colours: tuple[int, int, int]) -> np.ndarray:
    """Return one frame [1, H, W, 3] of vertical stripes of equal width."""
    columns = np.array([colours[i * len(colours) // SIZE] for i in range(SIZE)], np.uint8)
    return np.tile(columns, (1, SIZE, 1, 1))


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("wording", ["{}", "a {} car", "There is a {}, shining wall."])
def test_every_colour_is_found_by_its_name_and_only_by_it(name: str, wording: str) -> None:
    encoder = ColourEncoder()
    for shade in COLOURS[name]:
        frame = encoder.encode_frames(frames_of(shade))
        p = encoder.calibration.vision(frame @ encoder.encode_text([wording.format(other) for other in COLOURS]).T)[0]
        assert {other for other, probability in zip(COLOURS, p, strict=True) if probability > 0.5} == {name}
        assert p.max() > 0.99


def test_a_frame_is_likened_to_a_colour_by_the_share_that_it_has() -> None:
    encoder = ColourEncoder()
    red, grey = COLOURS["red"][0], COLOURS["grey"][0]
    text = encoder.encode_text(["red", "red and grey", "gray", "a dark hall"])
    cosines = encoder.encode_frames(frames_of(red, grey, grey, grey))[0] @ text.T
    np.testing.assert_allclose(cosines, [1 / 10**0.5, 4 / 20**0.5, 3 / 10**0.5, 0], atol=0.02)


def test_rows_have_unit_length_and_words_without_a_colour_none() -> None:
    encoder = ColourEncoder()
    noise = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode_frames(noise), axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode_text(["Blue!", "someone falls"]), axis=1), [1.0, 0.0])
    assert encoder.encode_frames(noise[:0]).shape == (0, encoder.info.dim)
    assert encoder.encode_text([]).shape == (0, encoder.info.dim)


def test_sentences_are_likened_by_the_words_that_they_share() -> None:
    encoder = ColourEncoder()
    wanted = encoder.encode_sentences(["a parcel that was delivered"])
    said = encoder.encode_sentences(["Your PARCEL was delivered!", "The parcel is late.", "It is what it was.", ""])
    p = encoder.calibration.speech(said @ wanted.T)[:, 0]
    assert p[0] > 0.9
    assert max(p[2:]) < 0.01
    np.testing.assert_allclose(np.linalg.norm(said, axis=1), [1.0, 1.0, 1.0, 0.0][: len(said)], rtol=1e-5)


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(FeatureError, match="the model takes"):
        ColourEncoder().encode_frames(np.zeros((1, 8, 8, 3), np.uint8))


def test_a_clip_is_tagged_without_importing_anything_heavy(tmp_path: Path) -> None:
    clip = write_colours(tmp_path / "clip.mp4", [("grey", 4), ("red", 6), ("blue", 4)])
    code = (
        "import sys\nfrom daemon.cli import app\n"
        "try:\n app(sys.argv[1:])\n"
        f"finally:\n heavy = sorted(set({HEAVY!r}) & set(sys.modules)); print('heavy', heavy, file=sys.stderr)"
    )
    command = ["tag", str(clip), "--event", "a red car", "--event", "a cat", "--profile", "colour", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "heavy []" in done.stderr
    (event,) = json.loads(done.stdout)["events"]
    assert event["event"] == "a_red_car"
    assert (event["start"], event["end"]) == pytest.approx((4, 10), abs=0.6)


def test_a_zone_has_the_colours_of_its_own_pixels() -> None:
    encoder = ColourEncoder()
    red, grey = COLOURS["red"][0], COLOURS["grey"][0]
    left = (((0.0, 0.0), (0.5, 0.0), (0.0, 1.0)),)  # a triangle
    beside = (((1.1, 0.0), (1.5, 0.0), (1.1, 1.0)),)
    frames = np.concatenate([frames_of(red, grey), frames_of(grey)])
    rows = encoder.encode_zones(frames, [(left, beside), (left,)])
    cosines = rows @ encoder.encode_text(["red", "grey"]).T
    np.testing.assert_allclose(cosines[[0, 1, 3, 4]], [[0.5**0.5] * 2, [1, 0], [0, 1], [0, 1]], atol=0.02)
    assert np.isnan(rows[2]).all()
