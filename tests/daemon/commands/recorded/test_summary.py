"""``watchword summary`` on a composed file and on a day that lies in a state folder."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner

from daemon.commands.recorded.summary import summary
from tests.support.recorded.index import TAPE
from tests.support.recorded.summary import index_frames, live_clip, live_event, log_events, usual_rows
from tests.support.streams.pipelines import write_colours
from tests.support.videos.recording import shown
from workers.state_layout import StateLayout

CONFIG = {"state_dir": "state", "cameras": {"door": {"url": "rtsp://a/1"}}, "events": {"cat": {"describe": "a cat"}}}
pytestmark = pytest.mark.timeout(60)


def invoke(*arguments: Any) -> Any:
    app = typer.Typer()
    app.command()(summary)
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Four scenes of known lengths."""
    return write_colours(tmp_path / "film.mp4", [("grey", 20), ("red", 12), ("blue", 18), ("grey", 10)])


def test_a_file_has_chapters_where_its_scenes_change_and_highlights_in_a_video(film: Path, tmp_path: Path) -> None:
    video, vtt = tmp_path / "cut.mp4", tmp_path / "film.vtt"
    done = invoke(
        film, "--profile", "colour", "--event", "a red picture", "--json", "--video", video, "--chapters", vtt
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    starts = [chapter["start"] for chapter in document["chapters"]]
    assert starts == pytest.approx([0, 20, 32, 50], abs=1)
    assert document["chapters"][-1]["end"] == pytest.approx(60, abs=0.2)
    assert document["chapters"][1]["title"] == "a red picture"
    (found,) = [h for h in document["highlights"] if h["events"]]
    assert 20 <= found["best"] <= 32
    assert vtt.read_text().startswith("WEBVTT\n\n1\n00:00:00.000 --> 00:00:")
    assert "\na red picture\n" in vtt.read_text()
    frames = shown(video.read_bytes())
    assert len(frames) > 40  # of each highlight some seconds, ten frames in each


def test_a_file_in_words_and_one_that_is_none(film: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    done = invoke(film, tmp_path / "bad.mp4", "--profile", "colour")
    assert done.exit_code == 3
    assert "chapter 0:00:20 – 0:00:32" in done.stdout
    assert "bad.mp4" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--date", "yesterday", "--from", "2h"], "another way to say"),
        (["--from", "1h", "--to", "2h"], "must be later"),
        (["--date", "2099-01-01"], "must not be in the future"),
        (["film.mp4", "--date", "today"], "a day of the cameras"),
        (["--event", "a cat"], "they are for files"),
        (["--date", "soon"], "is not a time"),
    ],
)
def test_options_that_contradict_each_other(arguments: list[str], told: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_day_of_the_cameras_without_a_daemon(tmp_path: Path) -> None:
    layout = StateLayout(tmp_path / "state")
    noon = (datetime.now() - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0).timestamp()
    clip = live_clip(layout.evidence / "door" / "2026-09-21", "clip", noon)
    log_events(layout, [live_event(1, noon + 3, clip=clip), live_event(2, noon + 60, camera="yard")])
    index_frames(layout, usual_rows(900, slice(300, 306)), noon - 900 + np.arange(900.0), TAPE)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    done = invoke("-c", config, "--date", "yesterday", "--json", "--video", tmp_path / "day.mp4")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [(m["camera"], len(m["events"])) for m in document["moments"]] == [("cam", 0), ("door", 1), ("yard", 1)]
    assert document["until"] - document["since"] == pytest.approx(86_400, abs=3601)
    assert shown((tmp_path / "day.mp4").read_bytes())[0] == (0.0, 20)
    assert "day.mp4: 1 moment" in done.stderr
    words = invoke("-c", config, "--from", "2d", "--camera", "yard").stdout
    assert "cat: 1 × on yard" in words
    assert "door" not in words
    empty = invoke("-c", config, "--date", "today", "--video", tmp_path / "none.mp4")
    assert (empty.exit_code, (tmp_path / "none.mp4").exists()) == (3, False)
    assert "there is no clip of these moments" in empty.stderr
    assert time.time() > noon
