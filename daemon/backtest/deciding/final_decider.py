"""Decides on segments whose probabilities are final: all at once, as a stream decides hop by hop."""

from functools import partial

import numpy as np

from alignment.aligners.base import Aligner
from alignment.spans.at_once import FinalTrack, Noticed, changes_at_once
from alignment.spans.level_counts import counts_at_once
from alignment.spans.tracker import SpanRule
from alignment.types import F32, Bools
from alignment.windows import WINDOW_CLIPS
from daemon.backtest.curve import LEVELS
from daemon.backtest.deciding.final import final_track
from daemon.backtest.deciding.flat import FlatStream, SegmentClips
from daemon.backtest.deciding.looks import NetworkLooks
from daemon.backtest.deciding.skipping import watched_s
from daemon.backtest.hits import HitLog
from daemon.backtest.parts import areas_of, by_objects_alone
from daemon.backtest.types import TriedRule


class FinalDecider:
    """Decides on one segment of a stream after the other. ``seconds``: watched; ``counts``: at each of ``LEVELS``."""

    def __init__(
        self, rule: TriedRule, span_rule: SpanRule, aligner: Aligner, stream: FlatStream, log: HitLog, since: float
    ) -> None:
        """``since``: stream second from which on levels count."""
        self.seconds, self.counts = 0.0, np.zeros(len(LEVELS))
        self._rule, self._span_rule, self._aligner, self._since = rule, span_rule, aligner, since
        self._stream, self._log = stream, log

    def decide(self, clips: SegmentClips, could: Bools, looks: NetworkLooks | None) -> None:
        """Decide on a segment, of which the rule is in force from the first armed item on."""
        armed = self._stream.first_armed(clips)
        if armed >= len(clips.t):
            return
        tape = self._stream.parts[0].tape
        self.seconds += float(watched_s(clips.t, tape.hop_s)[armed:].sum())
        counted = could & (np.arange(len(could)) >= armed - WINDOW_CLIPS)
        if not counted.any():
            return
        track = final_track(self._rule, self._aligner, self._stream, clips, counted, looks)
        self.counts += counts_at_once(LEVELS, self._span_rule, track, self._since)
        for noticed in changes_at_once(self._rule.query.event, self._span_rule, track, armed):
            frames = partial(self._frames, clips, track, noticed)
            self._log.note(noticed.change, f"{tape.key}/{clips.number}", frames)

    def _frames(self, clips: SegmentClips, track: FinalTrack, noticed: Noticed) -> F32:
        """Return the features f32[N, D] of a span's frames that are in the window; none if objects alone decide."""
        if by_objects_alone(self._rule.query):
            return np.zeros((0, 0), np.float32)
        number = np.arange(noticed.first, min(noticed.end, len(clips.t)))
        span, bounds = noticed.change.span, track.bounds[number]
        inside = number[(bounds[:, 1] > span.start) & (bounds[:, 0] < span.end)]
        areas = areas_of(self._rule, self._stream.parts[0].tape)
        frames, real = self._stream.features(clips.frame_of[inside], areas)
        return frames[real]
