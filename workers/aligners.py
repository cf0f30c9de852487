"""Aligners by name. The cross-attention aligner joins here when it comes."""

from alignment.aligner import Aligner
from alignment.calibration import SimilarityCalibration
from alignment.similarity import SimilarityAligner
from workers.errors import ModelUnavailable

ALIGNERS = {"similarity": SimilarityAligner}


def build_aligner(name: str, calibration: SimilarityCalibration) -> Aligner:
    """Return an aligner for an encoder's calibration; raise ``ModelUnavailable`` naming the known ones."""
    if name not in ALIGNERS:
        raise ModelUnavailable(f"there is no aligner {name!r}", f"use one of {', '.join(ALIGNERS)}")
    return ALIGNERS[name](calibration)
