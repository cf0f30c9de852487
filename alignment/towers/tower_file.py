"""The file of two trained towers: weights, vocabulary, and the calibration curve of their cosines."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alignment.aligners.trained.checkpoint import (
    LARGEST_FILE_BYTES,
    fill,
    read_weights,
    stated,
    unusable,
    write_weights,
)
from alignment.calibration import Platt
from alignment.options import OptionError
from alignment.towers.backbones import TowerOptions, TwoTowers, Vocabulary

FORMAT = "watchword-towers-1"


@dataclass(frozen=True, slots=True)
class TrainedTowers:
    """Towers in eval mode, their vocabulary, and the curve from cosine to probability."""

    options: TowerOptions
    towers: TwoTowers
    vocabulary: Vocabulary
    curve: Platt


def save_towers(path: Path, trained: TrainedTowers, card: Mapping[str, Any]) -> str:
    """Write towers and their digest; return the digest."""
    options = asdict(trained.options) | {"weights": None}
    told = {"towers": options, "words": trained.vocabulary.words, "curve": asdict(trained.curve)}
    metadata = {"format": FORMAT, "config": json.dumps(told), "card": json.dumps(dict(card))}
    return write_weights(path, trained.towers, metadata)


def load_towers(path: Path) -> TrainedTowers:
    """Return the towers; raise ``CheckpointError`` if the file is missing, damaged or of another format."""
    metadata, weights = read_weights(path, LARGEST_FILE_BYTES)
    if metadata.get("format") != FORMAT:
        raise unusable(path, f"its format is {metadata.get('format', 'not stated')[:40]!r}, not {FORMAT}")
    try:
        config = stated(path, metadata, "config")
        options = TowerOptions(**config["towers"] | {"weights": None})
        vocabulary, curve = Vocabulary(config["words"]), Platt(**config["curve"])
        if not (math.isfinite(curve.midpoint) and 0 < curve.scale < math.inf):
            raise ValueError(f"the curve {curve}")
    except (KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
        raise unusable(path, f"its configuration is not that of two towers: {str(error)[:200]}") from error
    towers = TwoTowers(options, len(vocabulary))
    fill(path, towers, weights)
    return TrainedTowers(options, towers, vocabulary, curve)
