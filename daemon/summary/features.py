"""The features that a summary is made of, from the index or fresh from a file, in one form."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from alignment.search.embedding_store import I8
from alignment.search.feature_file import FeatureFile
from alignment.summary.tags import Heard
from alignment.types import F32, F64, SOUND_CLASSES
from workers.detectors.classes import NAMES
from workers.index.shard import Objects, Shard
from workers.types import Utterance


@dataclass(frozen=True, slots=True)
class Clips:
    """The frames of one camera or file, embedded by one encoder; those without an embedding are left out.

    ``other_encoders``: how many frames are left out because another model embedded them.
    """

    rows: F32 | I8  # [N, D]
    t: F64  # [N] rising
    encoder: str = ""
    other_encoders: int = 0


@dataclass(frozen=True, slots=True)
class FileFeatures:
    """All that is known of one file: its frames, objects by name (seconds of each frame), sounds and words."""

    hop_s: float
    clips: Clips
    objects: dict[str, F64]
    heard: Heard
    said: tuple[Utterance, ...]


def clips_of(shards: Iterable[Shard], since: float = -np.inf, until: float = np.inf) -> Clips:
    """Return the frames between two stream seconds, of the encoder that embedded most of them."""
    parts: list[tuple[str, I8, F64]] = []
    for shard in shards:
        kept = np.isfinite(shard.scale) & (shard.t >= since) & (shard.t < until)
        if kept.any():
            parts.append((shard.info.tape.encoder, shard.frames[kept], shard.t[kept]))
    if not parts:
        return Clips(np.zeros((0, 0), np.int8), np.zeros(0))
    counts = Counter[str]()
    for name, _, t in parts:
        counts[name] += len(t)
    encoder = counts.most_common(1)[0][0]
    rows, times = zip(*((rows, t) for name, rows, t in parts if name == encoder), strict=True)
    t = np.concatenate(times)
    order = np.argsort(t, kind="stable")
    others = sum(len(t) for name, _, t in parts if name != encoder)
    return Clips(np.concatenate(rows)[order], t[order], encoder, others)


def from_shards(shards: Sequence[Shard]) -> FileFeatures:
    """Return what the index holds of one file, of which there is at least one shard."""
    tape = shards[-1].info.tape
    objects: dict[str, list[F64]] = {}
    for shard in shards:
        for name, t in _seen_objects(shard.objects, shard.t):
            objects.setdefault(name, []).append(t)
    return FileFeatures(
        tape.hop_s,
        clips_of(shards),
        {name: np.unique(np.concatenate(times)) for name, times in objects.items()},
        _heard([_dense(shard) for shard in shards]),
        tuple(u for shard in shards for u in shard.utterances),
    )


def from_features(features: FeatureFile, said: Sequence[Utterance]) -> FileFeatures:
    """Return what was extracted from one file."""
    window = features.window
    seen = window.frame_mask & np.isfinite(window.frames).all(axis=1)
    middle = window.bounds.mean(axis=1)
    heard = Heard(window.sound[window.sound_mask], window.bounds[window.sound_mask])
    clips = Clips(window.frames[seen], middle[seen], features.encoder)
    return FileFeatures(features.hop_s, clips, {}, heard, tuple(said))


def _seen_objects(objects: Objects, t: F64) -> Iterable[tuple[str, F64]]:
    """Yield the names of objects that count as seen, and the times of the frames that show them."""
    seen = objects.logits >= 0
    for number in np.unique(objects.classes[seen]):
        if number < len(NAMES):
            yield NAMES[number], t[np.unique(objects.frame[seen & (objects.classes == number)])]


def _dense(shard: Shard) -> tuple[F32, F64]:
    """Return the probability of each class f32[n, K] in each stretch of sound, and its bounds f64[n, 2]."""
    sounds = shard.sounds
    bounds, row = np.unique(np.stack([sounds.start, sounds.end], axis=1), axis=0, return_inverse=True)
    p = np.zeros((len(bounds), SOUND_CLASSES), np.float32)
    p[row.reshape(-1), sounds.classes] = sounds.p
    return p, bounds


def _heard(parts: Sequence[tuple[F32, F64]]) -> Heard:
    return Heard(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
