"""Decides again on the items of one tape, by the code that decides live (``workers/decisions``)."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from alignment.aligners.base import Aligner
from alignment.spans.budget import Budget
from alignment.types import F32, F64, SpanChange
from daemon.backtest.hits import HitLog, models_of
from daemon.backtest.types import TriedRule
from workers.areas import standing_in
from workers.clock import SystemClock
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.budgets.store import BudgetKeys, BudgetStore, follow_scene
from workers.decisions.rules import RuleSet, rule_set_of
from workers.decisions.segment import Segment
from workers.decisions.segments import Segments, StreamShape
from workers.index.types import TapeInfo
from workers.items import FrameAnswer, FramesDropped, SegmentEnd, StreamItem, ZoneAnswer
from workers.types import SourceInfo


@dataclass(slots=True)
class LearnedBudgets:
    """What a camera has learned about its false alerts, from one connection to the next. In memory only."""

    document: bytes | None = None

    def load_budgets(self, camera: str) -> bytes | None:
        """Return what was saved last, if anything."""
        return self.document

    def save_budgets(self, camera: str, document: bytes) -> None:
        """Keep it."""
        self.document = document


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Names nothing: what hits look like is asked when all are found (``look_alikes``)."""

    def nearest_name(self, frames: F32) -> "Future[str]":
        """Return no name."""
        response: Future[str] = Future()
        response.set_result("")
        return response


@dataclass(slots=True)
class Replay:
    """The decisions of one rule on one tape, which go into ``log``. For one thread.

    Nothing is decided before ``arm``; what is shown before it fills the window, as that of a running camera.
    """

    tape: TapeInfo
    rule: TriedRule
    aligner: Aligner
    learned: LearnedBudgets
    log: HitLog
    _rules: RuleSet = field(init=False)
    _armed: bool = field(init=False)
    _segments: Segments = field(init=False)
    _budgets: BudgetStore = field(init=False)

    def __post_init__(self) -> None:
        tape, encoder, specs = self.tape, self.rule.encoder, (self.rule.spec,)
        view = encoder.frame_spec.view(tape.width, tape.height)
        self._rules = rule_set_of(specs, (self.rule.query,), self.aligner.rates, view)
        keys = BudgetKeys.of(specs, models_of(tape, self.aligner))
        kept = self.learned if tape.live else None  # what one file showed says nothing about the next
        look_alikes = LookAlikes(Unnamed())
        self._budgets = BudgetStore(kept, tape.camera, self._rules, keys, look_alikes, SystemClock())
        self.begin(armed=False)

    def begin(self, armed: bool) -> None:
        """Begin with the next item, and let go of what is open without closing it: nothing in it could be reported.

        ``armed``: as if the rule had been in force before.
        """
        tape = self.tape
        shape = StreamShape(source_of(tape), tape.hop_s, tape.keyframes, tape.dims)
        self._armed = armed
        rules = self._rules if armed else RuleSet((), (), areas=self._rules.areas)
        self._segments = Segments(shape, rules, self.aligner)

    def arm(self) -> None:
        """Decide from the next item on, as if the rule had been added now."""
        self._armed = True
        self._segments.change_rules(self._rules, self.aligner, ())

    def add(self, item: StreamItem) -> None:
        """Decide on an item."""
        if isinstance(item, SegmentEnd):
            self._finish(item.segment)
            return
        segment = self._segments.begin(item.segment, item.start_s)
        if isinstance(item, FramesDropped):
            return
        if isinstance(item, FrameAnswer):
            if self._armed:
                self.see(item.pts_s, item.features)
            item = self._with_zone(item)
        self._note(self._segments.add(item), segment)

    def close(self) -> None:
        """Close what is open."""
        for number in self._segments.numbers:
            self._finish(number)

    @property
    def budget(self) -> Budget | None:
        """Return the budget of the rule, if it has one."""
        return self._rules.budgets.get(self.rule.spec.name)

    def see(self, t: F64, features: F32) -> None:
        """Show frames to the monitor of scenes only: nothing in them can be reported."""
        if self._rules.budgets:
            follow_scene(self._budgets.scenes, self._rules.budgets, t, features)

    def finish(self) -> None:
        """Close what is open, as a stream does that is stopped."""
        self.close()
        if self._rules.budgets:
            self.learned.save_budgets(self.tape.camera, self._budgets.document())

    def _with_zone(self, item: FrameAnswer) -> FrameAnswer:
        """Return the item with a zone that was not looked at by itself: of objects it is known who stands in it."""
        (areas,) = self._rules.areas
        if not areas or areas in {zone.areas for zone in item.zones} or item.detections is None:
            return item
        inside = ZoneAnswer(item.features, standing_in(item.detections, areas), areas)
        return replace(item, zones=(*item.zones, inside))

    def _finish(self, number: int) -> None:
        closed = self._segments.finish(number)
        if closed is not None:
            segment, changes = closed
            self._note(changes, segment)

    def _note(self, changes: Iterable[SpanChange], segment: Segment) -> None:
        for change in changes:
            self.log.note(change, segment.name, partial(segment.frames_of, change.span))


def source_of(tape: TapeInfo) -> SourceInfo:
    """Return what the stream of a tape was."""
    return SourceInfo(tape.key, tape.live, tape.has_video, tape.has_audio, tape.width, tape.height, tape.duration_s)
