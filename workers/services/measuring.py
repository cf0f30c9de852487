"""What is measured of an encoder's space, and kept beside its model: on the bundled sample once, on more when asked.

The sample shows few things, but what it shows is known, so it says whether a model works at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray

from alignment.calibration import SimilarityCalibration
from alignment.evaluation.space import Asked, Grade, SpaceFigures, grade, measure_space
from alignment.file_io import make_folder, replacing
from alignment.lexicon import things
from alignment.synthetic.captions import with_article
from alignment.types import F32, F64
from workers.encoders.base import Encoder
from workers.queries.build import build_query
from workers.types import EventSpec

if TYPE_CHECKING:
    from alignment.evaluation.annotations import Annotation, Window

PROBED = 5  # every so many things of the lexicon are described
TOGETHER = 8  # frames of the sample that are embedded at once
SAMPLED_S = 2.0  # from one frame of the bundled sample to the next
TIMELINE = "timeline.json"  # beside the sample: what it shows when
MARGIN_S = 1.0  # around the ends of a true window, where frames are not counted

OnProgress = Callable[[Path, float, float | None], None]  # file, position s, duration s

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Footage:
    """Embedded frames f32[N, D] of one video at f64[N] stream seconds, and what is known to be seen in it."""

    frames: F32
    times_s: F64
    known: Sequence[Annotation] = ()


def measure(encoder: Encoder, footage: Sequence[Footage]) -> SpaceFigures:
    """Return where the encoder's space lies, from at least one frame."""
    panel = encoder.calibration.panel
    if not len(panel):
        panel = encoder.encode_text([with_article(t.name) for t in things()])
    told = [(number, text) for number, t in enumerate(things()) if number % PROBED == 0 for text in t.paraphrases[:1]]
    probes = encoder.encode_text([text for _, text in told])
    frames = np.concatenate([part.frames for part in footage])
    return measure_space(frames, panel, probes, np.array([n for n, _ in told]), list(_asked(encoder, footage)))


def measured_calibration(encoder: Encoder, sample: Path | None) -> SimilarityCalibration:
    """Return the encoder's calibration with what was measured of its space.

    Where nothing was measured yet, ``sample`` is: a video with ``timeline.json`` beside it. That this fails, or cannot
    be kept, is logged and changes nothing else.
    """
    place = encoder.space_file
    if place is None:
        return encoder.calibration
    strength = kept_strength(place)
    if strength is None and sample is not None:
        strength = _first_use(encoder, sample, place)
    return replace(encoder.calibration, strength=strength)


def keep(place: Path, model: str, figures: SpaceFigures, seen: str) -> bool:
    """Write what was measured on ``seen``; return whether it could be written."""
    document = {"model": model, "measured_on": seen, "strength": figures.strength, "figures": asdict(figures)}
    with suppress(OSError):
        make_folder(place.parent)
        with replacing(place) as part:
            part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        return True
    return False


def kept_strength(place: Path) -> float | None:
    """Return the strength that was measured; None where nothing was, or the file is damaged."""
    try:
        strength = float(json.loads(place.read_text(encoding="utf-8"))["strength"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return strength if np.isfinite(strength) and strength > 0 else None


def embed_sample(encoder: Encoder, sample: Path, on_progress: OnProgress = lambda *_: None) -> Footage:
    """Return the bundled sample with what is known of it; raise ``WatchwordError`` or ``OSError``."""
    # Few starts measure: the others do not wait for the libraries that read media.
    from alignment.evaluation.annotations import parse_annotations
    from workers.sources.random_access import read_frames_at

    lines = map(json.dumps, json.loads(sample.with_name(TIMELINE).read_text(encoding="utf-8")))
    known = [a for a in parse_annotations(lines, TIMELINE) if a.modality == "vision"]
    times, frames = read_frames_at(str(sample), np.arange(0, known[0].duration, SAMPLED_S), encoder.frame_spec)
    rows = []
    for at in range(0, len(frames), TOGETHER):
        rows.append(encoder.encode_frames(frames[at : at + TOGETHER]))
        on_progress(sample, float(times[at]), known[0].duration)
    return Footage(np.concatenate(rows), times, known)


def _first_use(encoder: Encoder, sample: Path, place: Path) -> float | None:
    """Measure the space on the sample and keep it; return its strength, None where that failed."""
    model = encoder.info.id
    log.info("first use of a model: measuring its space on the bundled sample, once", model=model)
    try:
        figures = measure(encoder, [embed_sample(encoder, sample)])
    except Exception as error:  # boundary: whatever fails here, the model itself works
        log.warning("the space of the model could not be measured", model=model, error=str(error))
        return None
    if grade(figures) is Grade.USELESS:
        hint = "`watchword calibrate` shows the figures; use another model or `models: {profile: lite}`"
        log.warning("the model does not tell what frames show from what they do not", model=model, hint=hint)
    if not keep(place, model, figures, "sample"):
        log.warning("what was measured cannot be kept, and is measured at each start", file=str(place))
    return figures.strength


def _asked(encoder: Encoder, footage: Sequence[Footage]) -> Iterator[Asked]:
    """Yield each known description with its truth over the frames of all footage."""
    starts = np.cumsum([0, *(len(part.frames) for part in footage)])
    for part, start in zip(footage, starts, strict=False):
        for known in part.known:
            truth = np.full(starts[-1], -1, np.int8)
            truth[start : start + len(part.frames)] = _truth(part.times_s, known.windows)
            spec = EventSpec(str(known.qid), (known.query,), modalities=("vision",))
            yield Asked(build_query(spec, encoder).vision, truth)


def _truth(times_s: F64, windows: Sequence[Window]) -> NDArray[np.int8]:
    """Return for each frame whether it is inside of a window (1), outside (0), or near an end of one (-1)."""
    truth = np.zeros(len(times_s), np.int8)
    for start, end in windows:
        truth[(times_s > start - MARGIN_S) & (times_s < end + MARGIN_S)] = -1
    for start, end in windows:
        truth[(times_s >= start + MARGIN_S) & (times_s <= end - MARGIN_S)] = 1
    return truth
