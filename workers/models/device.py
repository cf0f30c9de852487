"""Where a model runs and with which numbers. torch is imported on first use: the CLI starts without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from workers.errors import ModelUnavailable
from workers.models.options import DType

if TYPE_CHECKING:
    import torch

log = structlog.get_logger()


def pick_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the GPU when there is one. Raise ``ModelUnavailable``.

    Convolutions are told to be as exact there as here: in TF32, CUDA's default, rows of ``lite`` differ by 0.01, not by
    1e-7, and come no faster.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelUnavailable(f"there is no device {name!r}", "use auto, cpu, cuda, cuda:1 … or mps") from None
    if not _present(device):
        found = f"{torch.cuda.device_count()} CUDA device(s)"
        raise ModelUnavailable(f"device {name!r} is not available ({found} found)", "choose another, or `auto`")
    return device


def _present(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def pick_dtype(name: DType, device: torch.device) -> torch.dtype:
    """Return the number type; ``auto`` is float16 on CUDA, where it is twice as fast, else float32."""
    import torch

    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[name]


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Turn a GPU's want of memory into ``ModelUnavailable``."""
    try:
        yield
    except Exception as error:
        if not _raised_by_torch(error, "OutOfMemoryError"):
            raise
        first = str(error).partition(". ")[0]
        hint = "lower models.batch_size, choose a smaller model or another device, or free the GPU's memory"
        raise ModelUnavailable(f"{what} does not fit into the GPU's memory: {first}", hint) from error


@contextmanager
def lasting(what: str) -> Iterator[None]:
    """End this process when its GPU fails: CUDA answers every later call of a process with the same error.

    Who watches over it starts it again: Ray an actor, systemd or the container's host the daemon.
    """
    try:
        yield
    except Exception as error:
        if not _raised_by_torch(error, "AcceleratorError"):
            raise
        log.critical("the GPU failed and this process ends", what=what, error=str(error).partition("\n")[0])
        sys.stderr.flush()
        os._exit(1)


def _raised_by_torch(error: Exception, kind: str) -> bool:
    """Return whether an error is one of torch, which has been imported where that is so: not for an encoder without."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, getattr(torch, kind))


def limit_threads(threads: int | None) -> None:
    """Set torch's CPU threads for this process; Ray would leave one, plain torch takes every core."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def one_core(name: str) -> ThreadPoolExecutor:
    """Return a thread whose torch uses one core, while this one's, and that of later ones, uses as many as before.

    For passes too small to be shared out: two threads on two busy cores took twelve times as long as one.
    """
    import torch

    def alone() -> None:
        """Have this thread compute on one core."""
        torch.get_num_threads()  # a thread's first use takes over what the process has
        torch.set_num_threads(1)

    before = torch.get_num_threads()
    thread = ThreadPoolExecutor(1, name, initializer=alone)
    thread.submit(alone).result()
    torch.set_num_threads(before)
    return thread
