"""The events that a rule would have reported on one stream, each as it was reported last."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from alignment.aligners.base import Aligner
from alignment.types import F32, SpanChange
from daemon.backtest.types import Hit, TriedRule
from workers.events.writer import EventWriter
from workers.index.types import TapeInfo


@dataclass(slots=True)
class HitLog:
    """Takes the changes of spans in order of time. ``models``: see ``models_of``."""

    tape: TapeInfo
    rule: TriedRule
    models: str
    _hits: dict[str, Hit] = field(default_factory=dict)
    _writer: EventWriter = field(init=False)

    def __post_init__(self) -> None:
        tape = self.tape
        self._writer = EventWriter(tape.camera, tape.live, tape.hop_s, self.rule.encoder.info, self.models, "")

    def note(self, change: SpanChange, segment: str, frames: Callable[[], F32]) -> None:
        """Note a change in a segment, by its name; ``frames`` returns what the span shows, f32[N, D]."""
        span, tape = change.span, self.tape
        name = self._writer.identity(change, self.rule.spec, segment)
        best = max(span.track, key=lambda point: point[1], default=(span.start, 0.0))[0]
        hit = Hit(
            tape.camera,
            name,
            tape.live,
            span.start,
            span.end,
            span.score,
            span.peak,
            best,
            span.over_budget,
            span.threshold,
            file=tape.file,
        )
        known = self._hits.get(name)
        if known is None:
            self._hits[name] = replace(hit, frame=_mean(frames()))
        elif known.peak > hit.peak:  # the track of a long span has forgotten its beginning
            self._hits[name] = replace(hit, frame=known.frame, peak=known.peak, best=known.best)
        else:
            self._hits[name] = replace(hit, frame=known.frame)

    def hits(self) -> tuple[Hit, ...]:
        """Return the hits in order of time."""
        return tuple(sorted(self._hits.values(), key=lambda hit: hit.start))


def models_of(tape: TapeInfo, aligner: Aligner) -> str:
    """Return the name of all models that decide, as it is in the ids of events."""
    return f"{tape.encoder} {aligner.name}"


def _mean(frames: F32) -> F32 | None:
    return np.asarray(frames.mean(axis=0), np.float32) if len(frames) else None
