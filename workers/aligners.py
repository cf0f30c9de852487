"""Aligners by name, and what they are built from."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignment.aligner import Aligner
from alignment.calibration import SimilarityCalibration
from alignment.similarity import SimilarityAligner
from workers.encoders.options import Quantize
from workers.served_aligner import ServedAligner
from workers.services import AlignerClient
from workers.turns import ANYONE, Turn

if TYPE_CHECKING:
    from alignment.cross_attention import CrossAttentionAligner

AlignerName = Literal["cross_attention", "similarity"]


@dataclass(frozen=True, slots=True)
class AlignerOptions:
    """Which aligner. ``checkpoint``: of the trained one; None: the one that comes with the package."""

    name: AlignerName = "cross_attention"
    checkpoint: Path | None = None
    quantize: Quantize = "none"  # int8: the trained one's linear layers

    @property
    def served(self) -> bool:
        """Whether its network is shared by all streams (``AlignerService``), not built in each."""
        return self.name == "cross_attention"


def build_aligner(calibration: SimilarityCalibration, network: AlignerClient | None, turn: Turn = ANYONE) -> Aligner:
    """Return a stream's aligner: of the ``network`` that all share, without one `similarity`. Loads no torch."""
    return ServedAligner(network, turn=turn) if network is not None else SimilarityAligner(calibration)


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


def load_network(options: AlignerOptions, calibration: SimilarityCalibration) -> "CrossAttentionAligner":
    """Return the trained aligner in this process; raise ``CheckpointError``."""
    from alignment.checkpoint import load_checkpoint, shipped_checkpoint  # loads torch, which streams do without
    from alignment.cross_attention import CrossAttentionAligner
    from alignment.int8 import quantise

    path = options.checkpoint or shipped_checkpoint()
    model = load_checkpoint(path)
    model = quantise(model) if options.quantize == "int8" else model
    return CrossAttentionAligner(model, calibration, aligner_id(replace(options, checkpoint=path)))
