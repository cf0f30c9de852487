"""Checkpoints of the cross-attention aligner: safetensors with a JSON header and a digest file, without pickle.

A checkpoint is one file, ``NAME.safetensors``: the weights, and in its metadata the configuration and the model card as
JSON. If ``NAME.safetensors.sha256`` exists, it is checked. Neither file contains code.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.errors import CheckpointError
from alignment.file_io import replacing

FORMAT = "watchword-cross-attention-1"
LARGEST = {"width": 512, "heads": 64, "layers": 16, "window": 1024}  # bounds: a file must not exhaust memory
LARGEST_BYTES = 64 << 20  # far more than any configuration needs; the shipped checkpoint has 0.36 MB
LARGEST_FILE_BYTES = 1 << 30  # limit for other trained models: vgg16 without its dense layers has 59 MB


def shipped_checkpoint() -> Path:
    """Return the path of the checkpoint in this package."""
    return Path(str(resources.files("alignment").joinpath("checkpoints/cross_attention.safetensors")))


def save_checkpoint(path: Path, model: CrossAttention, card: Mapping[str, Any]) -> str:
    """Write a checkpoint and its digest, each atomically; return the digest (sha256, hexadecimal)."""
    metadata = {"format": FORMAT, "config": json.dumps(asdict(model.config)), "card": json.dumps(dict(card))}
    return write_weights(path, model, metadata)


def load_checkpoint(path: Path) -> CrossAttention:
    """Return the network in eval mode; raise ``CheckpointError`` if missing, damaged or of another format."""
    metadata, weights = read_weights(path, LARGEST_BYTES)
    model = CrossAttention(_config(path, metadata))
    fill(path, model, weights)
    return model


def write_weights(path: Path, model: nn.Module, metadata: dict[str, str]) -> str:
    """Write a model's weights and their digest, each atomically; return the digest (sha256, hexadecimal)."""
    data = _ordered(save({name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}, metadata))
    digest = hashlib.sha256(data).hexdigest()
    _write(path, data)
    _write(_digest_of(path), f"{digest}  {path.name}\n".encode())
    return digest


def fill(path: Path, model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load weights into a model and set eval mode; raise ``CheckpointError`` if names, shapes or values do not fit."""
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in weights.items()}
    if found != expected:
        wrong = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise unusable(path, f"its weights do not fit its configuration ({', '.join(wrong[:3])} …)")
    kinds = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    if not all(t.dtype == kinds[n] and bool(torch.isfinite(t).all()) for n, t in weights.items()):
        raise unusable(path, "it has values that are not finite, or not 32-bit floats")
    model.load_state_dict(weights)
    model.eval()


def read_card(path: Path) -> dict[str, Any]:
    """Return the model card of a file written by ``watchword train``; raise ``CheckpointError``."""
    return stated(path, read_weights(path, LARGEST_FILE_BYTES)[0], "card")


def read_weights(path: Path, most_bytes: int) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Return a file's metadata and weights; raise ``CheckpointError``."""
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise unusable(path, f"it has {size >> 20} MiB; at most {most_bytes >> 20} are allowed")
        _check_digest(path)
        with safe_open(path, "pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read: {error.strerror}", "check the path") from error
    except SafetensorError as error:
        raise unusable(path, f"it is not a safetensors file ({error})") from error


def _check_digest(path: Path) -> None:
    beside = _digest_of(path)
    if not beside.exists():
        return
    stated = beside.read_text("utf-8", "replace").split()
    if stated[:1] != [hashlib.sha256(path.read_bytes()).hexdigest()]:
        raise unusable(path, f"it does not have the digest that {beside.name} states")


def _config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    if metadata.get("format") != FORMAT:
        raise unusable(path, f"its format is {metadata.get('format', 'not stated')[:40]!r}, not {FORMAT}")
    found = stated(path, metadata, "config")
    known = asdict(ModelConfig())
    if found.keys() != known.keys() or not all(type(v) is int and 0 < v <= LARGEST[k] for k, v in found.items()):
        raise unusable(path, f"its configuration is not that of a cross-attention aligner: {str(found)[:200]}")
    if found["width"] % found["heads"]:
        raise unusable(path, f"{found['heads']} heads do not divide a width of {found['width']}")
    return ModelConfig(**found)


def stated(path: Path, metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return a JSON object of a file's metadata; raise ``CheckpointError``."""
    try:
        value = json.loads(metadata[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise unusable(path, f"its {name} cannot be read") from error
    if not isinstance(value, dict):
        raise unusable(path, f"its {name} is not a JSON object")
    return value


def unusable(path: Path, why: str) -> CheckpointError:
    """Return the error for a file that is not a usable checkpoint."""
    return CheckpointError(f"the checkpoint {path} cannot be used: {why}", "create it again with `watchword train`")


def _digest_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _ordered(data: bytes) -> bytes:
    """Return a safetensors file with a sorted header: the library's order is random, and so would be the digest."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(data)
