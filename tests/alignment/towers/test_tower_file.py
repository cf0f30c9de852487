"""Two towers in a file: they come back as they went, and nothing else is taken for them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from alignment.aligners.trained.checkpoint import load_checkpoint
from alignment.calibration import Platt
from alignment.errors import CheckpointError
from alignment.towers.backbones import Captions, TowerOptions, TwoTowers, Vocabulary
from alignment.towers.tower_file import TrainedTowers, load_towers, save_towers

WORDS = Vocabulary(["a red bus"])
OPTIONS = TowerOptions("mobilenet_v3_small", "lstm", width=8, side=32)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, TrainedTowers]:
    torch.manual_seed(0)
    trained = TrainedTowers(OPTIONS, TwoTowers(OPTIONS, len(WORDS)).eval(), WORDS, Platt(12.0, 0.4))
    path = tmp_path / "checkpoint.safetensors"
    save_towers(path, trained, {"steps": 3})
    return path, trained


def test_towers_come_back_as_they_went(made: tuple[Path, TrainedTowers]) -> None:
    path, trained = made
    found = load_towers(path)
    assert (found.options, found.curve, found.vocabulary.words) == (OPTIONS, trained.curve, ("a", "bus", "red"))
    batch = Captions(torch.rand(2, 3, 32, 32), WORDS(["a bus", "red"]))
    with torch.no_grad():
        assert torch.equal(found.towers(batch), trained.towers(batch))


def change(path: Path, **config: Any) -> None:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    told = json.loads(metadata["config"]) | config
    path.with_name(path.name + ".sha256").unlink()
    save_file(load_file(path), path, metadata | {"config": json.dumps(told)})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"words": ["one"]}, "do not fit"),
        ({"words": 3}, "not that of two towers"),
        ({"curve": {"scale": -1, "midpoint": 0}}, "not that of two towers"),
        ({"towers": {"image": "os.system"}}, "no CNN is called"),
        ({"towers": {"width": 1 << 30}}, "give a width|towers of width"),
        ({"towers": {"sise": 3}}, "not that of two towers"),
    ],
)
def test_what_does_not_fit_is_an_error(config: dict[str, Any], message: str, made: tuple[Path, TrainedTowers]) -> None:
    change(made[0], **config)
    with pytest.raises(CheckpointError, match=message):
        load_towers(made[0])


def test_a_file_of_another_kind_is_an_error(made: tuple[Path, TrainedTowers], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="watchword-towers-1"):
        load_checkpoint(made[0])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_towers(tmp_path / "none.safetensors")
    made[0].write_bytes(made[0].read_bytes()[:-1] + b"\0")
    with pytest.raises(CheckpointError, match="digest"):
        load_towers(made[0])


def test_the_path_of_weights_stays_at_home(made: tuple[Path, TrainedTowers], tmp_path: Path) -> None:
    path, trained = made
    save_towers(path, replace(trained, options=replace(OPTIONS, weights=tmp_path / "secret")), {})
    assert b"secret" not in path.read_bytes()
    assert load_towers(path).options == OPTIONS
