"""Checkpoints: what comes back is what was saved, and what is bad is refused, named, and never run."""

import hashlib
import json
import os
import pickle
import struct
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alignment.aligners.trained.checkpoint import FORMAT, LARGEST, load_checkpoint, read_card, save_checkpoint
from alignment.aligners.trained.network import ModelConfig
from alignment.errors import CheckpointError
from tests.support.models.aligners import random_network

CARD = {"command": "watchword train --synthetic", "seed": 1, "figures": {"f1": 0.9}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "a.safetensors", random_network(), CARD)
    return tmp_path / "a.safetensors"


def rewrite(path: Path, weights: dict[str, torch.Tensor] | None = None, **metadata: str) -> None:
    """Save other weights or another header, and no digest."""
    stated = {"format": FORMAT, "config": json.dumps(asdict(ModelConfig(width=16))), "card": "{}"}
    save_file(load_file(path) if weights is None else weights, path, stated | metadata)
    path.with_name(path.name + ".sha256").unlink()


def refused(path: Path, why: str) -> None:
    with pytest.raises(CheckpointError, match=why) as error:
        load_checkpoint(path)
    assert str(path) in error.value.message
    assert error.value.hint
    assert len(error.value.message) < 1000


def test_a_network_comes_back_bit_by_bit(path: Path) -> None:
    model, saved = load_checkpoint(path), random_network()
    assert model.config == saved.config
    assert not model.training
    assert all(p.requires_grad for p in model.parameters())  # it can be trained on
    assert model.state_dict().keys() == saved.state_dict().keys()
    for name, tensor in saved.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name


def test_the_card_and_the_digest_lie_with_it(path: Path) -> None:
    assert read_card(path) == CARD
    beside = path.with_name("a.safetensors.sha256").read_text()
    assert beside == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  a.safetensors\n"
    assert sorted(os.listdir(path.parent)) == ["a.safetensors", "a.safetensors.sha256"]
    assert save_checkpoint(path, random_network(), CARD) == beside.split()[0]  # the same network, the same bytes


@pytest.mark.parametrize("place", [12, 5000, -3], ids=["header", "weights", "end"])
def test_a_flipped_bit_is_noticed(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
    refused(path, "digest")


def test_a_wrong_or_empty_digest_is_refused(path: Path) -> None:
    beside = path.with_name(path.name + ".sha256")
    for text in ("0" * 64 + "  a.safetensors\n", "", "\x00\xff"):
        beside.write_text(text)
        refused(path, "digest")


def test_without_a_digest_it_still_loads(path: Path) -> None:
    rewrite(path)
    assert load_checkpoint(path).config == ModelConfig(width=16)


@pytest.mark.parametrize("size", [0, 4, 8, 100, 3000, -1])
def test_a_file_cut_short_is_refused(path: Path, size: int) -> None:
    path.with_name(path.name + ".sha256").unlink()
    path.write_bytes(path.read_bytes()[:size])
    refused(path, "not a safetensors file")


def test_a_header_that_claims_more_than_there_is(path: Path) -> None:
    path.with_name(path.name + ".sha256").unlink()
    for length in (2**63, 2**40, 99_000_000):
        path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
        refused(path, "not a safetensors file")


def test_a_huge_file_is_not_even_read(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(5 << 30)  # sparse
    begun = time.monotonic()
    refused(path, "5120 MiB")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("change", ["shape", "missing", "surplus"])
def test_weights_that_do_not_fit_are_named(path: Path, change: str) -> None:
    weights = load_file(path)
    name = next(n for n in weights if weights[n].dim() == 2)
    if change == "shape":
        weights[name] = weights[name].T[:-1].contiguous()
    elif change == "missing":
        del weights[name]
    else:
        name = "another"
        weights[name] = torch.zeros(3)
    rewrite(path, weights)
    refused(path, name)


def test_numbers_that_are_not_finite_are_refused(path: Path) -> None:
    for bad in (float("nan"), float("inf")):
        save_checkpoint(path, random_network(), CARD)
        weights = load_file(path)
        next(iter(weights.values())).view(-1)[0] = bad
        rewrite(path, weights)
        refused(path, "not finite")


@pytest.mark.parametrize("dtype", [torch.int32, torch.float8_e4m3fn, torch.bool, torch.float64])
def test_other_kinds_of_numbers_are_refused(path: Path, dtype: torch.dtype) -> None:
    rewrite(path, {name: tensor.to(dtype) for name, tensor in load_file(path).items()})
    refused(path, "32-bit")


@pytest.mark.parametrize("stated", ["", "pytorch", "watchword-cross-attention-0", "x" * 100_000])
def test_another_format_is_refused(path: Path, stated: str) -> None:
    rewrite(path, format=stated)
    refused(path, "format")


BASE = asdict(ModelConfig(width=16))


@pytest.mark.parametrize(
    "config",
    [
        json.dumps(BASE | change)
        for change in (
            {"width": 0},
            {"width": -16},
            {"width": 10**9},
            {"layers": 10**9},
            {"heads": 3},
            {"width": "16"},
            {"width": True},
            {"width": 16.0},
            {"layers": None},
            {"surplus": 1},
            {"width": float("nan")},
        )
    ]
    + ["", "[]", "null", "{", "[" * 100_000, "9" * 10_000, json.dumps({"width": 16}), "1e999"],
    ids=lambda text: text[:60],
)
def test_a_configuration_that_cannot_be_is_refused(path: Path, config: str) -> None:
    rewrite(path, config=config)
    refused(path, "config|heads")


def test_a_configuration_may_not_fill_the_memory(path: Path) -> None:
    rewrite(path, config=json.dumps(BASE | {"width": 1024, "layers": 200, "window": 1024}))
    refused(path, "its configuration is not")
    save_file(load_file(path), path, {"format": FORMAT, "config": json.dumps(LARGEST), "card": "{}"})
    refused(path, "do not fit")


def test_a_pickle_by_another_name_runs_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made-by-a-payload"

    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {made}",)

    for name, write in (
        ("a.safetensors", lambda p: p.write_bytes(pickle.dumps(Payload()))),
        ("b.safetensors", lambda p: torch.save({"w": Payload()}, p)),
    ):
        write(tmp_path / name)
        refused(tmp_path / name, "not a safetensors file")
    assert not made.exists()
    pickle.loads((tmp_path / "a.safetensors").read_bytes())  # the payload is a real one
    assert made.exists()


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "No such file")
    (tmp_path / "folder.safetensors").mkdir()
    refused(tmp_path / "folder.safetensors", "cannot be")
    with pytest.raises(CheckpointError):
        read_card(tmp_path / "none.safetensors")


@pytest.mark.parametrize("card", ["", "[1]", "{", "[" * 100_000])
def test_a_card_that_cannot_be_read_is_told(path: Path, card: str) -> None:
    rewrite(path, card=card)
    with pytest.raises(CheckpointError, match="card"):
        read_card(path)


def test_text_in_a_card_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "b.safetensors"
    save_checkpoint(path, random_network(), {"note": "__import__('os').system('true') – 你好"})
    assert read_card(path)["note"].endswith("你好")
