"""The features of one video (frames, speech, sound events, times) as a safetensors file, which contains no code.

Tensors are those of ``FeatureWindow`` under its names; the metadata has ``format``, ``video``, ``encoder``, ``hop_s``,
``duration_s`` and ``texts`` (a JSON list of the text of each utterance). About 3.7 kB per second at 1 fps, width 384,
of which 2.1 kB are sounds.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from alignment.errors import FeatureError
from alignment.file_io import replacing
from alignment.types import SOUND_CLASSES, FeatureWindow

FORMAT = "watchword-features/1"
AGAIN = "extract the features of this video again"

# name: dtype, and shape in letters: equal letters are equal lengths, a number is that length
LAYOUT: dict[str, tuple[type[np.generic], tuple[str | int, ...]]] = {
    "bounds": (np.float64, ("T", 2)),
    "frames": (np.float32, ("T", "D")),
    "frame_mask": (np.bool_, ("T",)),
    "speech": (np.float32, ("S", "D'")),
    "speech_t": (np.float64, ("S", 2)),
    "sound": (np.float32, ("T", SOUND_CLASSES)),
    "sound_mask": (np.bool_, ("T",)),
}


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """One video's features. ``texts``: the text of each utterance; ``hop_s``: the seconds from clip to clip."""

    video: str  # its file name without folder and extension
    window: FeatureWindow  # all clips of the video
    texts: tuple[str, ...]  # [S]
    encoder: str  # the id of the model that embedded both frames and utterances
    hop_s: float
    duration_s: float


def save_features(path: Path, features: FeatureFile) -> None:
    """Write one video's features atomically; create the folder if needed.

    Raise ``FeatureError`` if the features are inconsistent or cannot be written.
    """
    tensors = {name: np.ascontiguousarray(getattr(features.window, name)) for name in LAYOUT}
    _check(tensors, features, str(path))
    metadata = {
        "format": FORMAT,
        "video": features.video,
        "encoder": features.encoder,
        "hop_s": repr(float(features.hop_s)),
        "duration_s": repr(float(features.duration_s)),
        "texts": json.dumps(features.texts, ensure_ascii=False),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            save_file(tensors, part, metadata)
    except (OSError, SafetensorError) as error:  # safetensors reports a full disk with its own error
        raise FeatureError(f"cannot write {path}: {error}", "check the folder's rights and the disk's space") from error


def load_features(path: Path) -> FeatureFile:
    """Read one video's features; raise ``FeatureError`` that states the problem of the file."""
    try:
        with safe_open(path, framework="np") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping: it only has `keys`
    except OSError as error:
        raise FeatureError(f"cannot read features {path}: {error}", "check the name and the rights") from error
    except (SafetensorError, TypeError) as error:  # TypeError: a dtype that numpy does not have
        raise FeatureError(f"{path} is not a feature file, or is damaged: {error}", AGAIN) from error
    if metadata.get("format") != FORMAT:
        raise FeatureError(f"{path} has format {metadata.get('format')!r}, not {FORMAT!r}", AGAIN)
    try:
        texts = tuple(str(t) for t in json.loads(metadata["texts"]))
        numbers = (float(metadata["hop_s"]), float(metadata["duration_s"]))
        names = metadata["video"], metadata["encoder"]
        window = FeatureWindow(**{name: tensors[name] for name in LAYOUT})
    except (KeyError, TypeError, ValueError) as error:
        raise FeatureError(f"{path} has missing or invalid data: {error}", AGAIN) from error
    features = FeatureFile(names[0], window, texts, names[1], *numbers)
    _check(tensors, features, str(path))
    return features


def _check(tensors: Mapping[str, NDArray[Any]], features: FeatureFile, name: str) -> None:
    """Raise ``FeatureError`` if dtypes, lengths or times are inconsistent. Feature values are not checked."""
    lengths: dict[str, int] = {"S": len(features.texts)}
    for key, (dtype, shape) in LAYOUT.items():
        found = tensors[key]
        wanted = tuple(n if isinstance(n, int) else lengths.get(n, -1) for n in shape)
        fits = found.ndim == len(shape) and all(w in (-1, n) for w, n in zip(wanted, found.shape, strict=True))
        if found.dtype != dtype or not fits:
            told = ", ".join(str(n) if w < 0 else str(w) for n, w in zip(shape, wanted, strict=True))
            kind = np.dtype(dtype).name
            raise FeatureError(f"{name}: {key} is {found.dtype}{list(found.shape)}, not {kind}[{told}]", AGAIN)
        lengths |= {n: size for n, size in zip(shape, found.shape, strict=True) if isinstance(n, str)}
    bounds, said = tensors["bounds"], tensors["speech_t"]
    times = np.concatenate([bounds, said])
    if not np.isfinite(times).all() or (times[:, 1] < times[:, 0]).any() or (np.diff(bounds[:, 0]) < 0).any():
        raise FeatureError(f"{name}: its times are not all finite and rising", AGAIN)
    if not (0 < features.hop_s < math.inf and 0 <= features.duration_s < math.inf):
        raise FeatureError(f"{name}: invalid hop {features.hop_s} s or duration {features.duration_s} s", AGAIN)
