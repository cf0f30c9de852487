"""CLIP, SigLIP, SigLIP 2 and their relatives by ``transformers``, from a local or pulled folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.encoders.preprocess import patchify
from workers.encoders.tower import Towers, TwoTowerEncoder, learned_curve
from workers.errors import ModelUnavailable
from workers.models.catalogue import locate
from workers.models.device import limit_threads, pick_device, pick_dtype
from workers.models.folder import find_weights, native_errors
from workers.models.options import EncoderOptions
from workers.types import FrameSpec

if TYPE_CHECKING:
    import torch

# The text towers of the sigmoid models read their last position, so every text is padded to the full length.
_FULL_LENGTH_TYPES = ("siglip", "siglip2")


class TransformersEncoder(TwoTowerEncoder):
    """Any model of ``transformers`` with ``get_image_features`` and ``get_text_features``.

    With a multilingual text tower (SigLIP 2, MetaCLIP 2 …) descriptions may be in any of its languages.
    """

    def __init__(self, options: EncoderOptions) -> None:
        options = options.resolved()
        name = options.model or ""
        folder = locate(options)
        weights = find_weights(folder, ("model.safetensors",))
        with native_errors(f"transformers model {name!r}"):
            towers = _load(folder, options)
            super().__init__(options, folder, weights, towers)


def _load(folder: Path, options: EncoderOptions) -> Towers:
    from transformers import AutoImageProcessor, AutoTokenizer

    limit_threads(options.threads)
    device = pick_device(options.device)
    dtype = pick_dtype(options.dtype, device)
    model = _load_model(folder).eval()
    scale, bias = learned_curve(model)
    model = model.to(device=device, dtype=dtype)
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return Towers(
        image=_image_tower(model, processor),
        text=_text_tower(model, tokenizer, device),
        spec=frame_spec(processor),
        mean=tuple(processor.image_mean),
        std=tuple(processor.image_std),
        device=device,
        dtype=dtype,
        scale=scale,
        bias=bias,
    )


def _load_model(folder: Path) -> Any:
    """Return the model with every weight from the file: a missing one would silently stay random."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # its load report is a table on stderr; our error says the same in a line
    model, report = AutoModel.from_pretrained(
        folder,
        dtype="float32",
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise ModelUnavailable(
            f"{folder} is a {model.config.model_type} model, without an image and a text tower in one space",
            "use a CLIP, SigLIP or SigLIP 2 checkpoint",
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelUnavailable(
            f"{folder} lacks {len(missing)} weights ({missing[0]} …)",
            "its files are incomplete: pull it again",
        )
    return model


def frame_spec(processor: Any) -> FrameSpec:
    """Return the picture an image processor ends with: a centre crop, or both sides squashed."""
    if getattr(processor, "max_num_patches", None):  # NaFlex: any grid of patches; the largest square one
        side = math.isqrt(processor.max_num_patches) * processor.patch_size
        return FrameSpec(side, side, "squash")
    if getattr(processor, "do_center_crop", False):
        return FrameSpec(processor.crop_size["width"], processor.crop_size["height"], "crop")
    return FrameSpec(processor.size["width"], processor.size["height"], "squash")


def _image_tower(model: Any, processor: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    if not getattr(processor, "max_num_patches", None):
        return lambda pixels: _pooled(model.get_image_features(pixel_values=pixels))
    patch, spec = int(processor.patch_size), frame_spec(processor)

    def naflex(pixels: torch.Tensor) -> torch.Tensor:
        patches = patchify(pixels, patch)
        grid = patches.new_tensor([spec.height // patch, spec.width // patch]).long()
        return _pooled(
            model.get_image_features(
                pixel_values=patches,
                pixel_attention_mask=patches.new_ones(patches.shape[:2]).int(),
                spatial_shapes=grid.expand(len(patches), 2),
            )
        )

    return naflex


def _text_tower(model: Any, tokenizer: Any, device: torch.device) -> Callable[[list[str]], torch.Tensor]:
    length = min(int(model.config.text_config.max_position_embeddings), int(tokenizer.model_max_length))
    padding = "max_length" if model.config.model_type in _FULL_LENGTH_TYPES else "longest"

    def text(texts: list[str]) -> torch.Tensor:
        tokens = tokenizer(texts, padding=padding, truncation=True, max_length=length, return_tensors="pt")
        return _pooled(model.get_text_features(**tokens.to(device)))

    return text


def _pooled(features: Any) -> torch.Tensor:
    """Return [N, D]: transformers 4 gives the tensor itself, 5 an output object around it."""
    pooled: torch.Tensor = getattr(features, "pooler_output", features)
    return pooled
