"""Commands and programs of the documents that work on files, as they are written."""

import json
import shutil
import subprocess
import time
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.documents.documents import documented, run_commands
from tests.support.programs.daemon import ALWAYS, write_config
from tests.support.recorded.summary import live_clip, live_event, log_events
from tests.support.streams.pipelines import SAMPLE, write_colours
from workers.state_layout import StateLayout

pytestmark = pytest.mark.process


def run(script: str, folder: Path) -> str:
    done = run_commands(script, folder, timeout_s=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sample(path: Path, seconds: float = 20) -> Path:
    """Write the first seconds of the sample: a parcel is spoken of at 2.0 s, a cat is seen at 7 to 17 s."""
    path.parent.mkdir(exist_ok=True)
    command = ["ffmpeg", "-v", "error", "-i", str(SAMPLE), "-t", str(seconds), "-c", "copy", str(path)]
    subprocess.run(command, check=True)
    return path


def annotate(path: Path, *videos: Path) -> None:
    """Write two annotations of each video from ``sample``."""
    asked = [("a cat", [[7, 17]]), ("a fox", [])]
    rows = [
        {"qid": n, "query": query, "vid": video.stem, "duration": 20.0, "relevant_windows": windows}
        for n, (video, (query, windows)) in enumerate(product(videos, asked))
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A folder with ``clip.mp4``, whose results lie beside it."""
    write_colours(tmp_path / "clip.mp4", [("grey", 3), ("red", 5), ("grey", 3)])
    run('watchword tag clip.mp4 --profile colour --event "something red"', tmp_path)
    return tmp_path


def test_media_manager_gets_tags_and_subtitles(tagged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tagged)
    exec(compile(documented("docs/recipes.md", "import json"), "docs/recipes.md", "exec"), {"__name__": "__main__"})
    nfo = ElementTree.parse(tagged / "clip.nfo").getroot()
    assert (nfo.tag, nfo.findtext("title"), [t.text for t in nfo.iter("tag")]) == ("movie", "clip", ["something_red"])
    run(documented("docs/recipes.md", "$ ffmpeg -i clip.mp4"), tagged)
    shown = ["ffmpeg", "-v", "error", "-i", "clip.tagged.mp4", "-map", "0:s:0", "-f", "srt", "-"]
    assert "something red" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout


def test_methods_page_builds_a_method() -> None:
    names: dict[str, object] = {}
    exec(compile(documented("docs/methods.md", "from alignment"), "docs/methods.md", "exec"), names)
    assert names["optimiser"]


@pytest.mark.long
def test_figures_of_a_benchmark(tmp_path: Path) -> None:
    truth = {"qid": 1, "query": "a cat", "vid": "v", "duration": 10, "relevant_windows": [[2, 6]]}
    truth |= {"relevant_clip_ids": [1, 2], "saliency_scores": [[4, 3, 4], [2, 2, 3]]}
    guess = {"qid": 1, "query": "a cat", "vid": "v", "pred_relevant_windows": [[2, 6, 0.9]]}
    guess |= {"pred_saliency_scores": [0.1, 0.9, 0.8, 0.1, 0.1]}
    (tmp_path / "highlight_val_release.jsonl").write_text(json.dumps(truth) + "\n")
    (tmp_path / "PREDICTIONS.jsonl").write_text(json.dumps(guess) + "\n")
    printed = run(documented("docs/evaluation.md", "$ watchword eval --annotations highlight_val"), tmp_path)
    assert json.loads(printed)["qvhighlights"]["brief"]["MR-full-R1@0.5"] == 100


@pytest.mark.long
def test_your_own_video(tmp_path: Path) -> None:
    sample(tmp_path / "my_video.mp4")
    run(documented("README.md", "$ watchword tag my_video.mp4"), tmp_path)
    assert {path.suffix for path in tmp_path.glob("my_video.watchword.*")} == {".json", ".csv", ".vtt"}


@pytest.mark.long
def test_files_page(tmp_path: Path) -> None:
    shutil.copy(sample(tmp_path / "clips" / "clip.mp4"), tmp_path)
    printed = run(documented("docs/files.md", "$ watchword tag clips/"), tmp_path)
    assert json.loads(printed)["file"] == "clip.mp4"
    assert (tmp_path / "clips" / "clip.watchword.vtt").exists()


@pytest.mark.long
def test_evaluation(tmp_path: Path) -> None:
    annotate(tmp_path / "mine.jsonl", sample(tmp_path / "clips" / "kitchen.mp4"))
    run(documented("docs/evaluation.md", "$ watchword eval --annotations mine.jsonl"), tmp_path)
    assert any((tmp_path / "plots").iterdir())


@pytest.mark.long
def test_calibration(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("events: {cat: {describe: a cat}}\n")
    annotate(tmp_path / "mine.jsonl", sample(tmp_path / "my_videos" / "kitchen.mp4"))
    assert "z-score" in run(documented("docs/operations.md", "$ watchword calibrate"), tmp_path)


def settings(document: str, name: str, **changes: str) -> str:
    """Return the settings for training that a document shows as ``name``, with fewer steps."""
    text = documented(document, f"# {name}", ("yaml",))
    for key, value in changes.items():
        lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in text.splitlines()]
        text = "".join(f"{line}\n" for line in lines)
    return text


@pytest.mark.long
def test_training(tmp_path: Path) -> None:
    videos = [sample(tmp_path / "clips" / f"{seconds}.mp4", seconds) for seconds in (18, 19, 20)]
    annotate(tmp_path / "mine.jsonl", *videos)
    shutil.copy(tmp_path / "mine.jsonl", tmp_path / "test.jsonl")
    (tmp_path / "train.yaml").write_text(settings("docs/training.md", "train.yaml", steps="2", eval_every="1"))
    (tmp_path / "student.yaml").write_text(settings("docs/training.md", "student.yaml", steps="2"))
    (tmp_path / "towers.yaml").write_text(settings("docs/training.md", "towers.yaml", steps="2", batch_size="2"))
    line = documented("docs/training.md", "models: {profile: own", ("yaml",))
    (tmp_path / "config.yaml").write_text(f"{line}events: {{cat: {{describe: a cat}}}}\n")
    run(documented("docs/training.md", "$ watchword train --annotations mine.jsonl --videos clips/ --from"), tmp_path)
    run(documented("docs/training.md", "$ watchword train --synthetic"), tmp_path)
    run(documented("docs/training.md", "$ watchword train --annotations mine.jsonl --videos clips/ --config"), tmp_path)


def test_summary_of_a_day(tmp_path: Path) -> None:
    yesterday = time.time() - 86_400
    layout = StateLayout(tmp_path / "state")
    clip = live_clip(layout.evidence / "front_door" / "2026-09-21", "clip", yesterday)
    event = live_event(1, yesterday + 3, camera="front_door", clip=clip)
    log_events(layout, [event, live_event(2, time.time() - 60, camera="front_door")])
    write_config(tmp_path, cameras={"front_door": {"url": "rtsp://10.0.0.5/1"}}, events=ALWAYS)
    *words, document = run(documented("docs/summary.md", "$ watchword summary  "), tmp_path).splitlines()
    assert sum("cat: 1 × on front_door" in line for line in words) == 2
    assert [moment["events"][0]["id"] for moment in json.loads(document)["moments"]] == ["0002cafe"]
    assert (tmp_path / "day.mp4").stat().st_size > 1000


@pytest.mark.long
def test_summary_of_a_file(tmp_path: Path) -> None:
    sample(tmp_path / "clip.mp4")
    assert "a_cat" in run(documented("docs/summary.md", "$ watchword summary clip.mp4"), tmp_path)
    assert (tmp_path / "clip.vtt").read_text().startswith("WEBVTT")
    assert (tmp_path / "highlights.mp4").stat().st_size > 1000
