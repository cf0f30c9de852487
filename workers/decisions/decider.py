"""From finished items to published events: the segments of one stream, its budgets and its announcer."""

from dataclasses import replace

from alignment.types import SpanChange
from workers.clock import Clock
from workers.decisions.announcer import Announcer
from workers.decisions.budgets.store import BudgetStore
from workers.decisions.coverage import Coverage
from workers.decisions.segment import Segment
from workers.decisions.segments import Segments, StreamShape
from workers.decisions.snapshot import StreamSnapshot
from workers.decisions.stream_rules import StreamRules
from workers.items import AudioAnalysed, FrameAnswer, FramesDropped, SegmentEnd, StreamItem, Transcript
from workers.services.clients import EncoderDescription
from workers.telemetry import Histogram
from workers.types import CameraSpec, SourceInfo

BEHIND = 0.5  # of the time between frames: a live stream whose hop took longer defers its less important events
STALL_HOPS = 2.5  # a stream with rare frames is not stalled between two


class Decider:
    """Decides on every item of one stream and publishes what follows. For one thread; any may take a snapshot."""

    def __init__(
        self,
        camera: CameraSpec,
        info: SourceInfo,
        encoder: EncoderDescription,
        rules: StreamRules,
        budgets: BudgetStore,
        announcer: Announcer,
        clock: Clock,
    ) -> None:
        self.late = 0  # frames whose features came when audio after them had already left the window
        self._camera, self._info = camera, info
        self._rules, self._rule_set, self._budgets = rules, rules.rule_set, budgets
        self._announcer, self._clock = announcer, clock
        shape = StreamShape(info, camera.hop_s, camera.fps == "keyframes", encoder.dims)
        self._segments = Segments(shape, rules.rule_set, rules.aligner)
        self._seconds = {"align": Histogram(), "publish": Histogram()}
        self.behind = False  # whether the latest hop took too long
        self._scoring = False
        self._position_s, self._progress_wall = 0.0, clock.wall()
        stall_s = max(camera.stall_timeout_s, STALL_HOPS * camera.hop_s)
        self._coverage = Coverage(info, stall_s, self._rule_set)

    @property
    def waits(self) -> bool:
        """Whether it waits for a reason: for room on a disk, or a file for an aligner that serves cameras first."""
        return self._announcer.waiting or (self._scoring and not self._info.live)

    def decide(self, item: StreamItem) -> None:
        """Add an item to its segment and publish what follows."""
        if isinstance(item, SegmentEnd):
            self._finish(item.segment)
            return
        segment = self._segments.begin(item.segment, item.start_s)
        if isinstance(item, FramesDropped):
            if item.overload:  # it waits, it is not stalled
                self._progress_wall = self._clock.wall()
            return
        self._scoring = True
        try:
            changes = self._changes(item, segment)
        finally:
            self._scoring = False
        with self._seconds["publish"].time():
            self._announcer.announce(changes, segment)
        self._coverage.publish(segment.known)
        self._budgets.look_alikes.add(changes, segment)
        self._budgets.save()
        self._progress_wall = self._clock.wall()

    def change_rules(self, rules: StreamRules) -> None:
        """Close what other rules found; events whose definition stays keep their open spans and their budgets."""
        before, self._rules = self._rules, rules
        kept = rules.unchanged(before)
        if rules.rule_set is not before.rule_set:
            for segment in self._segments.open:
                self._announcer.announce(segment.close_others(kept), segment)
            known, budgets = self._rule_set.budgets, rules.rule_set.budgets
            same = {name: known[name] if name in kept else budget for name, budget in budgets.items()}
            self._rule_set = replace(rules.rule_set, budgets=same)
            self._budgets.change(self._rule_set, rules.keys, kept)
            self._coverage.change(self._rule_set, kept)
            self._segments.change_rules(self._rule_set, rules.aligner, kept)
        self._announcer.change_rules(rules.specs, rules.order.config_hash)

    def finish(self) -> None:
        """Close the spans of all segments and publish the ends."""
        for number in self._segments.numbers:
            self._finish(number)

    def snapshot(self, state: StreamSnapshot, waits: bool) -> StreamSnapshot:
        """Return ``state`` with the counters of this decider; ``waits``: it waits for a reason elsewhere."""
        budgets = self._rule_set.budgets
        return replace(
            state,
            position_s=self._position_s,
            progress_wall=self._clock.wall() if waits or self.waits else self._progress_wall,
            stages=state.stages | {name: h.snapshot() for name, h in self._seconds.items()},
            latency=self._announcer.latency.snapshot(),
            events=dict(self._announcer.counts),
            suppressed=dict(self._announcer.suppressed),
            scores={event: p for s in self._segments.open for event, p in s.scores.items()},
            thresholds=self._rule_set.thresholds(),
            budgets={event: b.per_hour for event, b in budgets.items()},
            budget_alerts={event: b.observed_per_hour for event, b in budgets.items()},
            budget_hours={event: b.observed_hours for event, b in budgets.items()},
            alert_thresholds={event: b.alert_threshold for event, b in budgets.items()},
            over_budget={event: b.allowance.events_per_hour for event, b in budgets.items() if b.allowance.exceeded},
            look_alikes=self._budgets.look_alikes.names(),
            watched=self._coverage.watched,
        )

    def _changes(self, item: FrameAnswer | Transcript | AudioAnalysed, segment: Segment) -> list[SpanChange]:
        if isinstance(item, FrameAnswer):
            return self._add_frames(item, segment)
        if isinstance(item, Transcript):
            if self._announcer.results is not None:
                self._announcer.results.add_utterances(item.utterances)
            return self._segments.add(item)
        self._coverage.add_audio(item.start_s, item.end_s)
        changes = self._segments.add(item)
        if not self._info.has_video:
            self._position_s = item.end_s
        return changes

    def _add_frames(self, item: FrameAnswer, segment: Segment) -> list[SpanChange]:
        began, late = self._clock.monotonic(), segment.late
        with self._seconds["align"].time():
            self._budgets.add_frames(item.pts_s, item.features)
            changes = self._segments.add(item)
        self.late += segment.late - late
        self.behind = self._info.live and self._clock.monotonic() - began > BEHIND * self._camera.hop_s
        self._position_s = float(item.pts_s[-1])
        self._coverage.add_frames(map(float, item.pts_s))
        return changes

    def _finish(self, number: int) -> None:
        closed = self._segments.finish(number)
        if closed is not None:
            segment, changes = closed
            self._announcer.announce(changes, segment)
            if self._camera.over_time and not self._info.live:
                end_s = self._info.duration_s if number == 0 else None
                until = self._position_s if end_s is None else end_s
                self._announcer.announce_over_time(segment, (segment.start_s, until))
