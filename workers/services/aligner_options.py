"""Aligners by name, their options, and how they are built."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.aligners.base import Aligner
from alignment.aligners.similarity import SimilarityAligner
from alignment.calibration import SimilarityCalibration
from workers.models.options import Quantize
from workers.models.profiles import AlignerName
from workers.services.clients import AlignerClient
from workers.services.remote_aligner import ServedAligner
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext

if TYPE_CHECKING:
    from alignment.aligners.trained.cross_attention import CrossAttentionAligner


@dataclass(frozen=True, slots=True)
class AlignerOptions:
    """Which aligner. ``checkpoint``: of the trained one; None: the one that comes with the package."""

    name: AlignerName = "cross_attention"
    checkpoint: Path | None = None
    quantize: Quantize = "none"  # int8: the trained one's linear layers

    @property
    def served(self) -> bool:
        """Whether its network is a service for all streams (``AlignerService``), not built in each."""
        return self.name == "cross_attention"


def build_aligner(
    calibration: SimilarityCalibration, network: AlignerClient | None, context: RequestContext = DEFAULT_CONTEXT
) -> Aligner:
    """Return a stream's aligner: of the ``network`` that all share, without one `similarity`. Loads no torch."""
    return ServedAligner(network, context=context) if network is not None else SimilarityAligner(calibration)


def aligner_id(options: AlignerOptions) -> str:
    """Return an id of everything that changes scores: name, precision, and a digest of the weights."""
    if options.name != "cross_attention":
        return options.name
    path, precision = options.checkpoint, "" if options.quantize == "none" else f"/{options.quantize}"
    digest = f"@{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" if path and path.is_file() else ""
    return options.name + digest + precision


def check_checkpoint(options: AlignerOptions) -> None:
    """Raise ``CheckpointError`` where configured weights cannot be used. Call it before services start."""
    if options.name == "cross_attention" and options.checkpoint is not None:
        from alignment.aligners.trained.checkpoint import load_checkpoint

        load_checkpoint(options.checkpoint)


def load_network(options: AlignerOptions, calibration: SimilarityCalibration) -> "CrossAttentionAligner":
    """Return the trained aligner in this process; raise ``CheckpointError``."""
    from alignment.aligners.int8 import quantise
    from alignment.aligners.trained.checkpoint import (  # loads torch, which streams do without
        load_checkpoint,
        shipped_checkpoint,
    )
    from alignment.aligners.trained.cross_attention import CrossAttentionAligner

    path = options.checkpoint or shipped_checkpoint()
    model = load_checkpoint(path)
    model = quantise(model) if options.quantize == "int8" else model
    return CrossAttentionAligner(model, calibration, aligner_id(replace(options, checkpoint=path)))
