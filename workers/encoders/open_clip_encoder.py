"""Any model of ``open_clip``, from a local folder or a pulled checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.encoders.tower import Towers, TwoTowerEncoder, learned_curve
from workers.models.catalogue import locate
from workers.models.device import limit_threads, pick_device, pick_dtype
from workers.models.folder import find_weights, native_errors
from workers.models.options import EncoderOptions
from workers.types import FrameSpec

if TYPE_CHECKING:
    import torch

_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
_CONFIG = "open_clip_config.json"


class OpenClipEncoder(TwoTowerEncoder):
    """An open_clip model: ``ARCHITECTURE/TAG``, or a folder with ``open_clip_config.json`` and weights."""

    def __init__(self, options: EncoderOptions) -> None:
        options = options.resolved()
        name = options.model or ""
        folder = locate(options)
        weights = find_weights(folder, _WEIGHTS)
        with native_errors(f"open_clip model {name!r}"):
            towers = _load(folder, weights, name, options)
            super().__init__(options, folder, weights, towers)


def _load(folder: Path, weights: Path, name: str, options: EncoderOptions) -> Towers:
    import open_clip

    limit_threads(options.threads)
    device = pick_device(options.device)
    dtype = pick_dtype(options.dtype, device)
    schema, preprocess = _architecture(folder, name)
    # The library's own search for weights may choose a pickle, so it builds the model and we name the file.
    with _without_its_warnings():
        model: Any = open_clip.create_model(
            schema, load_weights=False, pretrained_text=False, force_preprocess_cfg=preprocess
        )
        tokenizer = open_clip.get_tokenizer(schema)
    open_clip.load_checkpoint(model, str(weights))
    scale, bias = learned_curve(model)
    model = model.to(device=device, dtype=dtype).eval()
    config = model.visual.preprocess_cfg

    def text(texts: list[str]) -> torch.Tensor:
        encoded: torch.Tensor = model.encode_text(tokenizer(texts).to(device))
        return encoded

    return Towers(
        image=model.encode_image,
        text=text,
        spec=frame_spec(config),
        mean=_three(config["mean"]),
        std=_three(config["std"]),
        device=device,
        dtype=dtype,
        scale=scale,
        bias=bias,
    )


@contextmanager
def _without_its_warnings() -> Iterator[None]:
    """Drop what open_clip says on the root logger: that the weights are random, just before they are loaded."""
    root = logging.getLogger()

    def keep(record: logging.LogRecord) -> bool:
        return "open_clip" not in Path(record.pathname).parts

    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)


def _architecture(folder: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Return open_clip's name for the architecture, and what the folder does not say about its pictures.

    Some published checkpoints carry no config; then ``ARCHITECTURE/TAG`` names one that the library ships.
    """
    if (folder / _CONFIG).is_file():
        return f"local-dir:{folder}", {}
    import open_clip

    architecture, _, tag = name.partition("/")
    return architecture, open_clip.get_pretrained_cfg(architecture, tag)


def frame_spec(config: dict[str, Any]) -> FrameSpec:
    """Return the picture of a preprocess config. ``longest`` (bars) is approximated by squashing."""
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    return FrameSpec(width, height, "crop" if config["resize_mode"] == "shortest" else "squash")


def _three(value: float | list[float]) -> list[float]:
    return [value] * 3 if isinstance(value, int | float) else list(value)
