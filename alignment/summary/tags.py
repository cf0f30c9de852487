"""Tags of a video: names of what its frames show, and of what is heard.

A frame's cosines with a thousand names are read as z-scores (``alignment.panel``); a frame has the name with the
highest one, if that is at least ``SURE``. A name becomes a tag if enough frames have it.

Measured with `lite` on five composed streams of photographs: of 29 objects that are shown, 20 are tagged by their own
name; the others mostly by that of a similar thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignment.lexicon import sound_classes, sounds
from alignment.panel import LEAST_DEVIATION, STRENGTH
from alignment.types import F32, F64

SURE = 5.0  # standard deviations
LEAST_CLIPS = 3  # a frame or two of noise are like something, too


@dataclass(frozen=True, slots=True)
class Tag:
    """A name of what is shown or heard: for how many seconds in all, how surely, and when most."""

    name: str
    kind: str  # "seen" or "heard"
    seconds: float
    score: float
    best: float  # stream seconds


def seen_tags(rows: F32, bounds: F64, panel: F32, names: Sequence[str], strength: float | None) -> tuple[Tag, ...]:
    """Return the names of what clips show, that which is shown longest first.

    ``rows`` f32[N, D] with their ``bounds`` f64[N, 2]; ``panel`` f32[K, D] embeds ``names``, or has no rows where the
    encoder knows none; ``strength``: how distinctly its space shows things, if that was measured.
    """
    if not len(rows) or len(panel) != len(names):
        return ()
    cosines = rows @ panel.T
    deviation = np.maximum(cosines.std(axis=1), LEAST_DEVIATION)
    z = (cosines.max(axis=1) - cosines.mean(axis=1)) / deviation
    z *= np.sqrt(STRENGTH / strength) if strength else 1.0
    named = np.where(z >= SURE, cosines.argmax(axis=1), -1)
    found = []
    for number in np.unique(named[named >= 0]):
        clips = np.flatnonzero(named == number)
        if len(clips) >= LEAST_CLIPS:
            found.append(_tag(names[number], "seen", clips, z, bounds))
    return _longest_first(found)


def heard_tags(sound: F32, bounds: F64) -> tuple[Tag, ...]:
    """Return the sounds that are heard, of probabilities f32[N, K] of each class; that which lasts longest first."""
    if not len(sound):
        return ()
    number = {name: i for i, name in enumerate(sound_classes())}
    found = []
    for one in sounds():
        p = sound[:, [number[name] for name in one.classes]].max(axis=1)
        clips = np.flatnonzero(p >= one.threshold)
        if len(clips):
            found.append(_tag(one.name, "heard", clips, p, bounds))
    return _longest_first(found)


def _tag(name: str, kind: str, clips: np.ndarray[tuple[int, ...], np.dtype[np.int64]], score: F32, bounds: F64) -> Tag:
    best = int(clips[score[clips].argmax()])
    seconds = float((bounds[clips, 1] - bounds[clips, 0]).sum())
    return Tag(name, kind, round(seconds, 1), round(float(score[best]), 3), float(bounds[best].mean()))


def _longest_first(found: list[Tag]) -> tuple[Tag, ...]:
    return tuple(sorted(found, key=lambda tag: (-tag.seconds, tag.name)))
