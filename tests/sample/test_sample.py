"""The committed sample is small, plays, is what its timeline says, and names whom it owes."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from daemon.config import load_config
from tests.sample import build_sample

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

FOLDER = Path(__file__).resolve().parents[2] / "daemon" / "sample"
VIDEO = FOLDER / "sample.mp4"


@pytest.fixture(scope="module")
def timeline() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "timeline.json").read_text())
    return found


def test_sample_is_at_most_two_megabytes() -> None:
    assert VIDEO.stat().st_size <= 2_000_000


def test_sample_has_picture_and_sound_of_the_duration_told(timeline: list[dict[str, Any]]) -> None:
    with av.open(str(VIDEO)) as media:
        picture, sound = media.streams.video[0], media.streams.audio[0]
        assert (picture.codec.canonical_name, sound.codec.canonical_name) == ("h264", "aac")
        assert (picture.width, picture.height, picture.average_rate) == (640, 360, 10)
        frames = sum(1 for _ in media.decode(picture))
    assert {line["duration"] for line in timeline} == {frames / 10}


def test_timeline_is_in_order_and_inside_the_video(timeline: list[dict[str, Any]]) -> None:
    assert [line["qid"] for line in timeline] == list(range(len(timeline)))
    for line in timeline:
        times = [t for window in line["relevant_windows"] for t in window]
        assert times == sorted(set(times))
        assert all(0 <= t <= line["duration"] for t in times)


def test_timeline_has_repetition_speech_and_three_things_that_never_happen(
    timeline: list[dict[str, Any]],
) -> None:
    absent = [line for line in timeline if not line["relevant_windows"]]
    assert [line["kind"] for line in absent] == ["absent"] * 3
    assert {line["kind"] for line in timeline} == {"object", "speech", "absent"}
    assert max(len(line["relevant_windows"]) for line in timeline) == 2


def test_configuration_describes_what_the_timeline_tells(timeline: list[dict[str, Any]]) -> None:
    config = load_config(FOLDER / "sample.yaml", {})
    told = {line["event"]: ((line["query"],), (line["modality"],)) for line in timeline}
    assert {e.name: (e.describe, e.modalities) for e in config.event_specs("sample")} == told
    assert config.camera_specs()[0].url.reveal() == str(VIDEO)


def test_attribution_names_every_photograph_and_no_other() -> None:
    attribution = (FOLDER / "ATTRIBUTION.md").read_text()
    named = set(re.findall(r"`(\w+\.(?:png|jpg))`", attribution))
    assert named == {shot.photo for shot in build_sample.SHOTS}


def test_video_shows_what_the_builder_draws() -> None:
    numbers = (100, 280, 680)
    with av.open(str(VIDEO)) as media:
        shown = [f.to_ndarray(format="rgb24") for i, f in enumerate(media.decode(video=0)) if i in numbers]
    drawn = build_sample.frames(numbers)
    errors = [float(np.abs(a.astype(float) - b).mean()) for a, b in zip(shown, drawn, strict=True)]
    assert max(errors) < 6  # of 255; what compression costs


def test_timeline_is_what_the_builder_tells(timeline: list[dict[str, Any]]) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is absent")
    _, spoken = build_sample.soundtrack()
    assert json.loads(json.dumps(build_sample.timeline(spoken))) == timeline
