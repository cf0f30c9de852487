"""Aligners by name, and what they are built from."""

from collections.abc import Callable
from dataclasses import dataclass
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


def _cross_attention(options: AlignerOptions, calibration: SimilarityCalibration) -> Aligner:
    from alignment.checkpoint import load_checkpoint, shipped_checkpoint  # loads torch, which similarity does without
    from alignment.cross_attention import CrossAttentionAligner
    from alignment.int8 import quantise

    model = load_checkpoint(options.checkpoint or shipped_checkpoint())
    return CrossAttentionAligner(quantise(model) if options.quantize == "int8" else model, calibration)


def _similarity(options: AlignerOptions, calibration: SimilarityCalibration) -> Aligner:
    return SimilarityAligner(calibration)


ALIGNERS: dict[str, Callable[[AlignerOptions, SimilarityCalibration], Aligner]] = {
    "cross_attention": _cross_attention,
    "similarity": _similarity,
}
