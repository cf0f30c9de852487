"""Which parts of the index a backtest decides on, and of which times nothing can be said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from alignment.types import F64, MODALITIES, EventQuery
from daemon.backtest.types import Period, Reason, TriedRule, Unjudged
from workers.areas import as_seen
from workers.index.shard import Shard
from workers.index.tables import Kind
from workers.index.types import TapeInfo
from workers.types import Areas

WARM_CLIPS = 80  # before a period: a window of 75 clips, and what a clip's neighbours add
SILENT_S = 10.0  # without frames and audio: the camera or the daemon was off, or what it saw is lost
VISION, SPEECH, SOUND = range(len(MODALITIES))


@dataclass(frozen=True, slots=True)
class Part:
    """Items of a shard to decide on: from item ``first`` to before ``end``; nothing is decided before ``armed``.

    ``times`` f64[I]: see ``item_times``.
    """

    shard: Shard
    first: int
    armed: int
    end: int
    times: F64

    @property
    def tape(self) -> TapeInfo:
        """Return what all items have in common."""
        return self.shard.info.tape


class Coverage:
    """Chooses what can be judged of the shards of one camera, and notes what cannot. For one pass over them."""

    def __init__(self, rule: TriedRule, period: Period) -> None:
        self.unjudged: list[Unjudged] = []
        self._rule, self._period = rule, period
        self._reached = period.since

    def parts(self, shards: Iterable[Shard], live: bool) -> Iterator[Part]:
        """Yield the parts of shards that rise in time. Files are judged whole, as their times are their own.

        ``live``: it is a live camera, so what no shard holds was not recorded.
        """
        for shard in shards:
            times = item_times(shard)
            part = self._live_part(shard, times) if shard.info.tape.live else Part(shard, 0, 0, len(times), times)
            if part is None:
                continue
            reason = missing_of(part.tape, self._rule)
            if reason is None:
                yield part
            else:
                inside = _known(times[part.armed : part.end])
                self._note(float(inside[0]), float(inside[-1]), reason)
        if live:
            self._note_gap(self._period.until)

    def _live_part(self, shard: Shard, times: F64) -> Part | None:
        """Return the part of a shard that lies in the period; None if there is none."""
        period, warm_s = self._period, WARM_CLIPS * shard.info.tape.hop_s
        before = np.flatnonzero((times >= period.since - warm_s) & (times < period.until))
        if not len(before):
            return None
        inside = before[times[before] >= period.since]
        if not len(inside):
            return Part(shard, int(before[0]), len(times), len(times), times)
        known = _known(times[inside])
        reached = np.maximum.accumulate(np.append(self._reached, known))
        for i in np.flatnonzero(known - reached[:-1] > SILENT_S):
            self._reached = float(reached[i])
            self._note_gap(float(known[i]))
        self._reached = float(reached[-1])
        beyond = np.flatnonzero(times >= period.until)
        end = int(beyond[0]) if len(beyond) else len(times)
        return Part(shard, int(before[0]), int(inside[0]), end, times)

    def _note_gap(self, until: float) -> None:
        if until - self._reached > SILENT_S:
            self._note(self._reached, until, Reason.NOT_RECORDED)

    def _note(self, start: float, end: float, reason: Reason) -> None:
        last = self.unjudged[-1] if self.unjudged else None
        if last and (last.reason, last.camera) == (reason, self._rule.camera) and 0 <= start - last.end <= SILENT_S:
            start = last.start
            self.unjudged.pop()
        self.unjudged.append(Unjudged(self._rule.camera, start, end, reason))


def item_times(shard: Shard) -> F64:
    """Return f64[I]: the stream second of each item; NaN of the ends of segments, and of what is missing."""
    columns, kind = shard.columns, shard.columns["kind"]
    times, framed = np.full(len(kind), np.nan), kind == Kind.FRAMES
    counts = columns["rows"][framed].astype(np.int64)
    times[framed] = columns["t"][np.cumsum(counts) - counts]
    times[kind == Kind.AUDIO] = columns["audio_start"]
    times[(kind == Kind.TRANSCRIPT) | (kind == Kind.DROPPED)] = columns["begin"]
    return times


def missing_of(tape: TapeInfo, rule: TriedRule) -> Reason | None:
    """Return why a rule cannot be judged on a tape; None if it can."""
    query = rule.query
    if tape.encoder != rule.encoder.info.id:
        return Reason.ENCODER
    if tape.has_video and query.prior[VISION]:
        areas = areas_of(rule, tape)
        if any(query.objects) and not tape.detects:
            return Reason.OBJECTS
        if areas and areas not in tape.zones and not by_objects_alone(query):
            return Reason.ZONE
    if tape.has_audio and query.prior[SPEECH] and not tape.transcribes:
        return Reason.SPEECH
    if tape.has_audio and query.prior[SOUND] and query.sound.any() and not tape.tags:
        return Reason.SOUNDS
    return None


def areas_of(rule: TriedRule, tape: TapeInfo) -> Areas:
    """Return where in the frames of a tape the event is looked for; nothing for all of them."""
    return as_seen(rule.spec.areas, rule.encoder.frame_spec.view(tape.width, tape.height))


def by_objects_alone(query: EventQuery) -> bool:
    """Return whether features of frames have no say: then a zone can be judged that was not looked at by itself."""
    return bool(query.objects) and all(o is not None and o.frames == "ignore" and not o.absent for o in query.objects)


def _known(times: F64) -> F64:
    return times[np.isfinite(times)]
