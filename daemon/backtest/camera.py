"""A rule on what the index keeps of one camera."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from alignment.aligners.base import Aligner
from alignment.calibration import Platt
from daemon.backtest.curve import LEVELS, TallyingAligner, no_tally
from daemon.backtest.deciding.final import is_final
from daemon.backtest.deciding.final_decider import FinalDecider
from daemon.backtest.deciding.flat import FlatStream, SegmentClips
from daemon.backtest.deciding.looks import CosineLooks, NetworkLooks, PreparedAligner
from daemon.backtest.deciding.memory import LooksMemory
from daemon.backtest.deciding.replay import LearnedBudgets, Replay
from daemon.backtest.deciding.screen import Screen, needs_look
from daemon.backtest.deciding.skipping import Skipper, floor_of
from daemon.backtest.hits import HitLog, models_of
from daemon.backtest.parts import SPEECH, VISION, Coverage, Part, areas_of
from daemon.backtest.types import CameraResult, Hit, Period, Tally, TriedRule
from workers.decisions.rules import span_rule
from workers.index.shard import Shard
from workers.index.types import TapeInfo
from workers.items import FrameAnswer
from workers.services.aligner_options import build_aligner
from workers.services.clients import AlignerClient

OnClips = Callable[[float], None]  # so many more were judged
READING = 0.5  # share of a clip that is judged once its look is read, where clips are then decided one by one


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found in one stream. ``replayed``: clips that were decided one by one."""

    hits: tuple[Hit, ...]
    tally: Tally
    clips: int
    replayed: int


@dataclass(slots=True)
class _Counting:
    """Counts the clips of one segment, of which ``left`` are not counted yet."""

    on_clips: OnClips
    left: float

    def __call__(self, clips: float) -> None:
        some = min(clips, self.left)
        self.left -= some
        self.on_clips(some)

    def by(self, share: float) -> OnClips:
        """Return what counts so much of each clip that is reported to it."""
        return lambda clips: self(share * clips)


class CameraJudge:
    """Tries a rule on one camera. ``network`` None: the aligner is `similarity`. ``live``: see ``Coverage.parts``.

    ``memory``: of looks at the same description. ``whole``: decide every clip one by one, as live operation does, also
    where that cannot change anything.
    """

    def __init__(
        self,
        rule: TriedRule,
        network: AlignerClient | None,
        period: Period,
        on_clips: OnClips,
        memory: LooksMemory,
        whole: bool = False,
    ) -> None:
        self._rule, self._network, self._period, self._on_clips = rule, network, period, on_clips
        self._memory, self._whole, self._learned = memory, whole, LearnedBudgets()
        self._aligner = build_aligner(rule.encoder.calibration, network)  # cameras come first
        self._span_rule = span_rule(rule.spec, rule.query, self._aligner.rates)

    def judge(self, shards: Iterable[Shard], live: bool) -> CameraResult:
        """Return what the rule would have reported.

        ``shards``: of the camera, rising in time, from a little before the period on.
        """
        coverage = Coverage(self._rule, self._period)
        found = [self._stream(parts) for parts in _streams(coverage.parts(shards, live))]
        hits = tuple(hit for one in found for hit in one.hits)
        tally = sum((one.tally for one in found), no_tally())
        clips, replayed = sum(one.clips for one in found), sum(one.replayed for one in found)
        return CameraResult(self._rule.camera, hits, tally, tuple(coverage.unjudged), clips, replayed)

    def _stream(self, parts: Sequence[Part]) -> Found:
        stream = FlatStream(parts) if parts[0].tape.live and not self._whole else None
        if stream is None or not self._may_skip(stream):
            return self._every_clip(parts)
        return self._what_matters(stream)

    def _every_clip(self, parts: Sequence[Part]) -> Found:
        """Decide on every item."""
        tallying = self._tallying(self._aligner, parts[0])
        log = self._log(parts[0].tape)
        replay = Replay(parts[0].tape, self._rule, tallying, self._learned, log)
        armed, clips = False, 0
        for part in parts:
            items = islice(part.shard.items(part.first), part.end - part.first)
            for place, item in enumerate(items, part.first):
                if not armed and place >= part.armed:
                    replay.arm()
                    armed = True
                replay.add(item)
                if isinstance(item, FrameAnswer):
                    clips += len(item.pts_s)
                    self._on_clips(len(item.pts_s))
        replay.finish()
        return Found(log.hits(), tallying.tally(), clips, clips)

    def _what_matters(self, stream: FlatStream) -> Found:
        """Decide on what could change anything."""
        tape, query = stream.parts[0].tape, self._rule.query
        aligner, log = self._prepared(), self._log(tape)
        tallying = self._tallying(aligner, stream.parts[0])
        replay = Replay(tape, self._rule, tallying, self._learned, log)
        skipper = Skipper(stream, replay, aligner if isinstance(aligner, PreparedAligner) else None)
        final = FinalDecider(self._rule, self._span_rule, self._aligner, stream, log, self._period.since)
        floor = floor_of(self._span_rule, replay.budget is not None, bool(self._rule.heads))
        screen = Screen(query, self._sound, floor)
        for clips in stream.segments():
            counting = _Counting(self._on_clips, len(clips.t))
            at_once = clips.later is not None and is_final(self._rule, self._network is not None)
            looks = self._looks(stream, clips, counting.by(1.0 if at_once else READING))
            could = screen.could(stream, clips, looks)
            if at_once:
                final.decide(clips, could, looks if isinstance(looks, NetworkLooks) else None)
            else:
                if isinstance(aligner, PreparedAligner):
                    aligner.looks = looks if isinstance(looks, NetworkLooks) and needs_look(query) else None
                rest = counting.left / max(1, len(clips.t))
                skipper.decide(clips, could, self._span_rule, counting.by(rest))
            if isinstance(looks, NetworkLooks):
                looks.remember()
            counting(counting.left)
        replay.finish()
        seconds = skipper.seconds + final.seconds
        tally = replace(tallying.tally() + Tally(LEVELS, final.counts), hours=seconds / 3600)
        return Found(log.hits(), tally, len(stream.t), skipper.replayed)

    def _log(self, tape: TapeInfo) -> HitLog:
        return HitLog(tape, self._rule, models_of(tape, self._aligner))

    def _may_skip(self, stream: FlatStream) -> bool:
        """Return whether it is known of every clip of a stream, without the clips before it, what could matter."""
        query = self._rule.query
        panel = len(self._rule.encoder.calibration.panel) > 0  # the scale of a clip depends on all before
        places = any(asked is not None and asked.place for asked in query.objects)  # on what was ever shown
        mixed = bool(query.prior[VISION] and query.prior[SPEECH] and self._network is not None)
        return stream.by_frame and not (panel or places or mixed)

    def _tallying(self, aligner: Aligner, part: Part) -> TallyingAligner:
        since = self._period.since if part.tape.live else float("-inf")
        return TallyingAligner(aligner, self._span_rule, since, self._rule.heads)

    def _prepared(self) -> Aligner:
        """Return an aligner that reads the network's answers where it was asked about all clips at once."""
        if self._network is None or not self._rule.query.prior[VISION]:
            return self._aligner
        return PreparedAligner(self._network)

    @property
    def _sound(self) -> Platt:
        return self._network.info().sound if self._network is not None else self._rule.encoder.calibration.sound

    def _looks(self, stream: FlatStream, clips: SegmentClips, on_clips: OnClips) -> NetworkLooks | CosineLooks:
        rule, areas = self._rule, areas_of(self._rule, stream.parts[0].tape)
        if self._network is None:
            return CosineLooks(rule.query, rule.encoder.calibration, stream, clips, areas)
        known = self._memory.of(rule.query, areas, models_of(stream.parts[0].tape, self._aligner))
        return NetworkLooks(self._network, rule.query, stream, clips, known, on_clips, areas)


def _streams(parts: Iterable[Part]) -> list[list[Part]]:
    """Return the parts of each stream, without a hole between them."""
    streams: list[list[Part]] = []
    for part in parts:
        before = streams[-1][-1].shard.info if streams else None
        after = part.shard.info
        if before and (before.tape.key, before.number + 1) == (after.tape.key, after.number):
            streams[-1].append(part)
        else:
            streams.append([part])
    return streams
