"""Two towers: shapes, weights from a file, the loss by hand, and that they learn colours."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from alignment.options import OptionError
from alignment.towers.backbones import CNNS, Captions, ImageTower, TowerOptions, TwoTowers, Vocabulary, info_nce
from alignment.training.optimisers import OptimiserOptions, build_optimiser

COLOURS = {"red": (1.0, 0.1, 0.1), "green": (0.1, 0.9, 0.1), "blue": (0.1, 0.1, 1.0), "grey": (0.5, 0.5, 0.5)}


def test_vocabulary_numbers_words_and_knows_what_it_does_not() -> None:
    vocabulary = Vocabulary(["A red bus", "the blue bus!"])
    assert len(vocabulary) == 2 + 5
    ids = vocabulary(["red bus", "a green bus", ""])
    assert ids.tolist() == [[5, 4, 0], [2, 1, 4], [1, 0, 0]]


def test_info_nce_of_a_hand_computed_batch() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = [math.log(1 + math.exp(0 - 2)), math.log(1 + math.exp(1 - 3))]
    columns = [math.log(1 + math.exp(1 - 2)), math.log(1 + math.exp(0 - 3))]
    expected = (sum(rows) / 2 + sum(columns) / 2) / 2
    assert float(info_nce(logits, torch.eye(2, dtype=torch.bool))) == pytest.approx(expected, rel=1e-5)
    assert float(info_nce(logits, torch.ones(2, 2, dtype=torch.bool))) == pytest.approx(0, abs=1e-6)


LARGE = pytest.param("vgg11_bn", marks=pytest.mark.long)


@pytest.mark.parametrize("name", ["resnet18", LARGE, "efficientnet_b0", "mobilenet_v3_small"])
def test_cnns_end_on_unit_rows(name: str) -> None:
    tower = ImageTower(TowerOptions(image=name, width=8)).eval()
    with torch.no_grad():
        rows = tower(torch.rand(2, 3, 32, 32))
    assert rows.shape == (2, 8)
    assert torch.allclose(rows.norm(dim=1), torch.ones(2), atol=1e-5)


def test_cnn_weights_come_from_a_local_file(tmp_path: Path) -> None:
    from torchvision import models

    network = models.get_model("mobilenet_v3_small", weights=None)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    tower = ImageTower(TowerOptions(image="mobilenet_v3_small", width=8, weights=tmp_path / "w.safetensors"))
    ours, theirs = tower.network.state_dict(), network.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs if not k.startswith("classifier.3"))
    for options in ({"image": "resnet18", "weights": tmp_path / "w.safetensors"}, {"weights": tmp_path / "none"}):
        with pytest.raises(OptionError, match="cannot read"):
            ImageTower(TowerOptions(**options))


@pytest.mark.parametrize("text", [pytest.param("lstm", marks=pytest.mark.long), "gru", "transformer"])
def test_towers_learn_colours(text: str) -> None:
    torch.manual_seed(0)
    names = list(COLOURS)
    vocabulary = Vocabulary([f"a {n} wall" for n in names])
    towers = TwoTowers(TowerOptions(image="mobilenet_v3_small", text=text, width=16), len(vocabulary))

    def batch() -> Captions:
        walls = torch.tensor([COLOURS[n] for n in names])[:, :, None, None].expand(4, 3, 32, 32)
        ids = vocabulary([f"a {n} wall" for n in names])
        return Captions((walls + 0.05 * torch.randn(4, 3, 32, 32)).clamp(0, 1), ids)

    optimiser, _ = build_optimiser(towers.parameters(), OptimiserOptions(lr=3e-3, schedule="constant"), 20)
    same = torch.eye(4, dtype=torch.bool)
    for _ in range(20):
        optimiser.zero_grad()
        info_nce(towers.train()(batch()), same).backward()
        optimiser.step()
    assert info_nce(towers(batch()), same) < 0.3


@pytest.mark.parametrize("wrong", [{"image": "resnet1"}, {"text": "lsmt"}, {"width": 6}, {"side": 16}])
def test_names_nobody_knows(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        TowerOptions(**wrong)
    if "image" in wrong:
        assert all(name in error.value.hint for name in CNNS)
