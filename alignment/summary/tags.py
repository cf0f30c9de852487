"""Tags of a video: names of what its frames show, and of what is heard.

A frame's cosines with a thousand names are read as z-scores (``alignment.panel``); a frame has the name with the
highest one, if that is at least ``SURE``. A name becomes a tag if enough frames have it.

Measured with `lite` on six composed streams of two minutes: of 27 photographed objects 20 are tagged by their own name,
others by that of a similar thing. Fixed cameras from afar get few tags, some of them wrong (a road from above has the
wings of aircraft carriers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alignment.calibration import SimilarityCalibration
from alignment.lexicon import sound_classes, sounds, things
from alignment.panel import LEAST_DEVIATION, STRENGTH
from alignment.types import F32, F64

SURE = 5.0  # standard deviations
LEAST_CLIPS = 3  # a frame or two of noise are like something, too


@dataclass(frozen=True, slots=True)
class Tag:
    """A name of what is seen or heard: for how many seconds in all, and when most surely, stream seconds."""

    name: str
    kind: Literal["seen", "heard"]
    seconds: float
    best: float


@dataclass(frozen=True, slots=True)
class Panel:
    """The names that an encoder knows: ``rows`` f32[K, D] embed ``names``.

    ``strength``: how distinctly its space shows things, if that was measured; None: as that of `lite`.
    """

    rows: F32
    names: Sequence[str]
    strength: float | None = None

    @classmethod
    def of(cls, calibration: SimilarityCalibration, vocabulary: F32) -> "Panel":
        """Return the things of the lexicon in an encoder's space: its panel, else its vocabulary, else no names."""
        rows = calibration.panel if len(calibration.panel) else vocabulary
        names = tuple(thing.name for thing in things())
        return cls(rows, names, calibration.strength) if len(rows) == len(names) else NO_NAMES


NO_NAMES = Panel(np.zeros((0, 0), np.float32), ())  # of an encoder that knows nothing by name


@dataclass(frozen=True, slots=True)
class Heard:
    """The probability of each class of sound, f32[N, K], in stretches with ``bounds`` f64[N, 2], stream seconds."""

    p: F32
    bounds: F64


def names_seen(rows: F32, panel: Panel) -> NDArray[np.int64]:
    """Return i64[N]: the number of the name of each of the unit rows f32[N, D], -1 where none is sure."""
    if not len(rows) or not len(panel.rows):
        return np.full(len(rows), -1)
    cosines = rows @ panel.rows.T
    deviation = np.maximum(cosines.std(axis=1), LEAST_DEVIATION)
    z = (cosines.max(axis=1) - cosines.mean(axis=1)) / deviation
    z *= np.sqrt(STRENGTH / panel.strength) if panel.strength else 1.0
    return np.where(z >= SURE, cosines.argmax(axis=1), -1)


def seen_tags(times: Mapping[str, F64], hop_s: float) -> tuple[Tag, ...]:
    """Return tags of what is seen in frames at these ``times`` by name, that which is seen longest first.

    ``hop_s``: the seconds from frame to frame.
    """
    enough = {name: t for name, t in times.items() if len(t) >= LEAST_CLIPS}
    return _longest_first([Tag(n, "seen", round(len(t) * hop_s, 1), float(t[len(t) // 2])) for n, t in enough.items()])


def heard_tags(heard: Heard) -> tuple[Tag, ...]:
    """Return the sounds that are heard, that which lasts longest first."""
    if not len(heard.p):
        return ()
    number = {name: i for i, name in enumerate(sound_classes())}
    found = []
    for sound in sounds():
        p = heard.p[:, [number[name] for name in sound.classes]].max(axis=1)
        clips = np.flatnonzero(p >= sound.threshold)
        if len(clips):
            seconds = float((heard.bounds[clips, 1] - heard.bounds[clips, 0]).sum())
            best = float(heard.bounds[clips[p[clips].argmax()]].mean())
            found.append(Tag(sound.name, "heard", round(seconds, 1), best))
    return _longest_first(found)


def _longest_first(found: list[Tag]) -> tuple[Tag, ...]:
    return tuple(sorted(found, key=lambda tag: (-tag.seconds, tag.name)))
