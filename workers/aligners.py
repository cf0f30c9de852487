"""Aligners by name, and what they are built from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from alignment.aligner import Aligner
from alignment.calibration import SimilarityCalibration
from alignment.similarity import SimilarityAligner
from workers.encoders.options import Quantize
from workers.errors import ModelUnavailable

AlignerName = Literal["cross_attention", "similarity"]


@dataclass(frozen=True, slots=True)
class AlignerOptions:
    """Which aligner. ``checkpoint``: of the trained one; None: the one that comes with the package."""

    name: AlignerName = "cross_attention"
    checkpoint: Path | None = None
    quantize: Quantize = "none"  # int8: the trained one's linear layers


def build_aligner(options: AlignerOptions, calibration: SimilarityCalibration) -> Aligner:
    """Return an aligner for an encoder's calibration; raise ``ModelUnavailable`` or ``CheckpointError``."""
    if options.name not in ALIGNERS:
        raise ModelUnavailable(f"there is no aligner {options.name!r}", f"use one of {', '.join(ALIGNERS)}")
    return ALIGNERS[options.name](options, calibration)


def aligner_id(options: AlignerOptions) -> str:
    """Return what changes when an aligner would score otherwise: its name, its precision, a digest of its weights."""
    if options.name != "cross_attention":
        return options.name
    path, precision = options.checkpoint, "" if options.quantize == "none" else f"/{options.quantize}"
    digest = f"@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" if path and path.is_file() else ""
    return options.name + digest + precision


def check_checkpoint(options: AlignerOptions) -> None:
    """Raise ``CheckpointError`` where the weights of one's own cannot be used: before anything starts to rely on it."""
    if options.name == "cross_attention" and options.checkpoint is not None:
        from alignment.checkpoint import load_checkpoint

        load_checkpoint(options.checkpoint)


def _cross_attention(options: AlignerOptions, calibration: SimilarityCalibration) -> Aligner:
    from alignment.checkpoint import load_checkpoint, shipped_checkpoint  # loads torch, which similarity does without
    from alignment.cross_attention import CrossAttentionAligner
    from alignment.int8 import quantise

    path = options.checkpoint or shipped_checkpoint()
    model = load_checkpoint(path)
    model = quantise(model) if options.quantize == "int8" else model
    return CrossAttentionAligner(model, calibration, aligner_id(replace(options, checkpoint=path)))


def _similarity(options: AlignerOptions, calibration: SimilarityCalibration) -> Aligner:
    return SimilarityAligner(calibration)


ALIGNERS: dict[str, Callable[[AlignerOptions, SimilarityCalibration], Aligner]] = {
    "cross_attention": _cross_attention,
    "similarity": _similarity,
}
