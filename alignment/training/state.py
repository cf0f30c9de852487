"""The state of a training run on disk: one safetensors file, written atomically, without pickle.

Tensors are named ``model.*``, ``best.*`` and ``optimiser.<parameter>.<name>``; everything else is JSON in the file's
header, under ``state``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from alignment.file_io import replacing
from alignment.training.errors import TrainingStateError

FORMAT = "watchword-training-1"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Everything that is needed to resume a run: ``numbers`` are plain JSON values, tensors are on the CPU."""

    model: Mapping[str, Tensor]
    best: Mapping[str, Tensor]  # empty before the first evaluation
    optimiser: Mapping[str, Any]  # an optimiser's state_dict
    numbers: Mapping[str, Any]


def save_state(path: Path, state: TrainingState) -> None:
    """Write ``state`` atomically: after a crash the previous file is intact."""
    values, tensors = _split(state.optimiser["state"])
    tensors |= {f"model.{k}": v for k, v in state.model.items()} | {f"best.{k}": v for k, v in state.best.items()}
    plain = {"groups": state.optimiser["param_groups"], "values": values, "numbers": state.numbers}
    metadata = {"format": FORMAT, "state": json.dumps(plain)}
    write_tensors(path, tensors, metadata)


def load_state(path: Path) -> TrainingState:
    """Read a state; raise ``TrainingStateError``."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
        plain = json.loads(metadata["state"])
        optimiser = {"state": _joined(plain["values"], tensors), "param_groups": plain["groups"]}
        return TrainingState(_under("model.", tensors), _under("best.", tensors), optimiser, plain["numbers"])
    except FileNotFoundError as e:
        raise TrainingStateError(f"no training state at {path}", "start without --resume") from e
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as e:
        raise TrainingStateError(f"cannot continue from {path}: {e}", "start without --resume") from e


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write one safetensors file atomically; tensors that share memory are written as separate copies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        save_file({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}, part, metadata)


def _split(state: Mapping[int, Mapping[str, Any]]) -> tuple[dict[str, dict[str, Any]], dict[str, Tensor]]:
    """Split an optimiser's state into plain values and tensors by flat name."""
    values: dict[str, dict[str, Any]] = {str(i): {} for i in state}
    tensors: dict[str, Tensor] = {}
    for i, entries in state.items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{i}.{name}"] = value
            else:
                values[str(i)][name] = value
    return values, tensors


def _joined(values: Mapping[str, Mapping[str, Any]], tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Any]]:
    state = {int(i): dict(entries) for i, entries in values.items()}
    for flat, tensor in _under("optimiser.", tensors).items():
        i, _, name = flat.partition(".")
        state[int(i)][name] = tensor
    return state


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
