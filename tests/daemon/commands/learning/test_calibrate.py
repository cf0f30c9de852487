"""`watchword calibrate` on a model in a made space, on `lite`, and on videos of one's own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("efficientnet_lite_pytorch", reason="the lite profile is not installed")

from daemon.commands.learning.calibrate import app  # after the guard above
from daemon.config import load_config
from daemon.offline.runner import open_runtime, service_settings
from daemon.offline.tagging import offline_settings
from daemon.runtime.factory import SAMPLE
from daemon.service.daemon import Daemon
from tests.support.models.space_encoder import install_space

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "space"


@pytest.fixture
def config(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a model in a made space; the names that the first test embeds are kept."""
    install_space(monkeypatch, model)
    models = f"models: {{profile: open_clip, model: {model}, device: cpu}}"
    (tmp_path / "config.yaml").write_text(f"{models}\nevents: {{cat: {{describe: a cat}}}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config.yaml"


def calibrate(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def document(*args: str) -> dict[str, Any]:
    done = calibrate(*args, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_sample_shows_where_a_space_lies_and_sets_its_strength(config: Path) -> None:
    found = document(str(config))
    assert found["grade"] == "apart"
    assert found["measured_on"] == "the sample"
    assert found["figures"]["true"]["median"] > 4 > found["figures"]["others"]["high"]
    assert found["figures"]["separation"] > 0.97
    kept = json.loads(Path(found["set"]["file"]).read_text())
    assert kept["strength"] == found["set"]["strength"] == found["figures"]["strength"]


def test_people_get_a_table_and_plain_words(config: Path) -> None:
    done = calibrate()  # config.yaml of the current folder
    assert done.exit_code == 0, done.output
    for text in ("z-score of what a frame shows", "cosine of two names", "stand apart in this space", "Set: strength"):
        assert text in done.stdout
    assert str(config.parent) not in done.stdout


def test_own_videos_have_no_truth_and_a_bad_one_is_reported(config: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(SAMPLE, videos / "mine.mp4")
    (videos / "bad.mp4").write_text("no video")
    done = calibrate(str(config), "--videos", str(videos), "--json")
    assert done.exit_code == 3
    assert "bad.mp4" in done.stderr
    found = json.loads(done.stdout)
    assert (found["measured_on"], found["figures"]["frames"]) == ("1 videos", 72)
    assert (found["figures"]["true"], found["figures"]["separation"]) == (None, None)
    assert found["grade"] == "apart"
    assert found["set"]["strength"] == found["figures"]["strength"]


def test_own_videos_with_annotations_have_truth(config: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(SAMPLE, tmp_path / "videos" / "sample.mp4")
    asked = {"qid": 0, "query": "a cat", "vid": "sample", "duration": 72, "relevant_windows": [[7, 17], [53, 61]]}
    (tmp_path / "truth.jsonl").write_text(json.dumps(asked))
    found = document("--videos", str(tmp_path / "videos"), "--annotations", str(tmp_path / "truth.jsonl"))
    assert found["figures"]["true"]["count"] == 16  # seconds, without one at each end
    assert found["figures"]["true"]["median"] > 4


def test_a_space_that_does_not_separate_is_said(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    shutil.copytree(model, tmp_path / "blind")
    install_space(monkeypatch, tmp_path / "blind", "nothing")
    config.write_text(config.read_text().replace(str(model), str(tmp_path / "blind")))
    found = document()
    assert found["grade"] == "useless"
    assert "does not separate" in " ".join(found["in_words"])
    assert "another profile" in " ".join(found["in_words"])


def test_tag_and_eval_score_with_what_was_set(config: Path) -> None:
    config.write_text(config.read_text() + "speech: {enabled: false}\n")
    found = document()
    settings = offline_settings(load_config(config, inputs_required=False), None)
    runtime = open_runtime(settings)
    try:
        assert runtime.start().calibration.strength == found["set"]["strength"]
    finally:
        runtime.stop()


def test_the_daemon_and_tag_measure_a_model_on_the_sample_when_it_is_first_used(config: Path) -> None:
    config.write_text(config.read_text() + "cameras: {a: {url: a.mp4}}\nredis: {url: 'redis://127.0.0.1:1'}\n")
    loaded = load_config(config)
    assert Daemon(loaded)._settings().sample == SAMPLE
    assert service_settings(offline_settings(loaded, None)).sample == SAMPLE
    assert SAMPLE.is_file()


@pytest.mark.long
def test_lite_is_measured_and_nothing_of_it_is_set() -> None:
    found = document("--profile", "lite")
    assert found["grade"] == "apart"
    assert found["figures"]["true"]["median"] > 5
    assert found["set"] is None
    assert "fitted" in found["not_set"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--profile", "colour"], 2, "watchword eval"),
        (["--profile", "lite", "--videos", "none"], 3, "none: no such file or folder"),
        (["--annotations", "truth.jsonl"], 2, "--videos"),
        (["nowhere.yaml"], 2, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_measured_is_one_clear_error(args: list[str], code: int, says: str) -> None:
    done = calibrate(*args)
    assert done.exit_code == code
    assert says in done.stderr
