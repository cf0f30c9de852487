"""What is final of each clip: its probability by the scorers that score windows, asked about many clips at once.

Only rules about pictures can be decided so. A sound or a transcript may arrive later than its clip.
"""

from dataclasses import dataclass

import numpy as np

from alignment.aligners.base import Aligner
from alignment.aligners.trained.incremental import Logits, SlidingScorer, WindowDelta
from alignment.personal.scorer import PersonalScorer
from alignment.spans.at_once import FinalTrack
from alignment.types import F32, SOUND_CLASSES, Bools, FeatureWindow, ScoreTrack
from alignment.windows import clip_bounds
from daemon.backtest.deciding.flat import EMPTY, I64, FlatStream, SegmentClips
from daemon.backtest.deciding.looks import NetworkLooks
from daemon.backtest.deciding.screen import needs_look
from daemon.backtest.parts import SOUND, SPEECH, WARM_CLIPS, areas_of
from daemon.backtest.types import TriedRule
from workers.areas import standing_in
from workers.decisions.segments import BRIDGE_S

AT_ONCE = 4096  # clips that are scored together


def is_final(rule: TriedRule, network: bool) -> bool:
    """Return whether a clip of a rule keeps its probability once it is decided, and no budget moves the threshold.

    Without the network cosines are smoothed over the clips of a window, so those at its edge change.
    """
    query = rule.query
    heard = query.prior[SPEECH] or query.prior[SOUND] or query.sound.any()
    budget = rule.spec.threshold is None and rule.spec.max_false_alerts_per_hour is not None
    return not heard and not budget and (network or not needs_look(query))


def final_track(
    rule: TriedRule, aligner: Aligner, stream: FlatStream, clips: SegmentClips, could: Bools, looks: NetworkLooks | None
) -> FinalTrack:
    """Return the track of a segment with the probabilities of the clips that ``could`` matter; others have 0.

    ``looks``: of the network; None: ``aligner`` scores, by what is detected.
    """
    assert clips.later is not None
    p, shares = np.zeros(len(could), np.float32), np.zeros((len(could), 3), np.float32)
    chosen = _with_neighbours(could)
    if looks is not None and needs_look(rule.query):
        looks.compute(chosen[chosen != EMPTY])
    for begin in range(0, len(chosen), AT_ONCE):
        lead = max(0, begin - WARM_CLIPS)  # what a steady picture keeps of clips before these
        some = chosen[lead : begin + AT_ONCE + 1]
        track = _scored(rule, aligner, stream, clips, some, looks)
        own = slice(begin - lead, begin - lead + AT_ONCE)
        wanted = np.flatnonzero(could[some[own]] & (some[own] != EMPTY))
        numbers = some[own][wanted]
        p[numbers], shares[numbers] = track.p[own][wanted], track.shares[own][wanted]
    return _padded(p, shares, clips, stream.parts[0].tape.hop_s)


@dataclass(frozen=True, slots=True)
class _Known:
    """``Network`` that has answered: ``logits`` f32[T]."""

    logits: F32

    def read(self, window: WindowDelta, first: int) -> Logits:
        """Return the logits from clip ``first`` on."""
        return Logits(self.logits[None, first:])


def _scored(
    rule: TriedRule,
    aligner: Aligner,
    stream: FlatStream,
    clips: SegmentClips,
    some: I64,
    looks: NetworkLooks | None,
) -> ScoreTrack:
    """Return the scores of some clips by number, rising in each stretch; ``EMPTY`` lies between stretches."""
    query, areas, there = rule.query, areas_of(rule, stream.parts[0].tape), some != EMPTY
    frame_of = np.where(there, clips.frame_of[some], EMPTY)
    compared = looks is None or bool(rule.heads) or needs_look(query)
    frames = np.zeros((len(some), stream.parts[0].tape.dims[0] if compared else 0), np.float32)
    if needs_look(query):
        frames, real = stream.features(frame_of, areas)
        frames[there & ~real] = np.nan  # as the encoder gave it
    detections = None
    if any(query.objects):
        asked = [o for o in query.objects if o is not None]
        classes = {c for o in asked for c in (*o.veto, *(c for counted in o.wanted for c in counted.classes))}
        detections = stream.objects(frame_of, classes)
        detections = standing_in(detections, areas) if areas else detections
    window = FeatureWindow(
        bounds=np.zeros((len(some), 2)),
        frames=frames,
        frame_mask=there,
        speech=np.zeros((0, stream.parts[0].tape.dims[1]), np.float32),
        speech_t=np.zeros((0, 2)),
        sound=np.zeros((len(some), SOUND_CLASSES if rule.heads else 0), np.float32),
        sound_mask=np.zeros(len(some), bool),
        detections=detections,
    )
    if looks is None:
        scorer = aligner.begin([query])
    else:
        logits = np.where(there & (needs_look(query)), looks.logits[some], np.float32(0))
        scorer = SlidingScorer([query], _Known(logits), looks.client.info())
    (track,) = PersonalScorer(scorer, rule.heads).score(window, 0)
    return track


def _with_neighbours(could: Bools) -> I64:
    """Return the numbers of clips and those beside them, and ``EMPTY`` between stretches."""
    padded = np.pad(could, 1)
    numbers = np.flatnonzero(padded[:-2] | padded[1:-1] | padded[2:])
    return np.insert(numbers, 1 + np.flatnonzero(np.diff(numbers) > 1), EMPTY)


def _padded(p: F32, shares: F32, clips: SegmentClips, hop_s: float) -> FinalTrack:
    """Return the track with the clips behind the last frame."""
    assert clips.later is not None
    more = len(clips.later)
    t = np.concatenate([clips.t, clips.later])
    return FinalTrack(
        t,
        np.concatenate([p, np.zeros(more, np.float32)]),
        np.concatenate([shares, np.zeros((more, 3), np.float32)]),
        clip_bounds(t, hop_s, max(hop_s, BRIDGE_S), clips.begin),
        np.maximum(t - hop_s / 2, clips.begin),
        len(p),
    )
