"""One segment of one stream: features come in, changes of spans come out. No threads, no I/O.

The events of a live stream are scored and tracked in groups of equal priority. While hops take too long, less
important groups skip some of them. The window keeps the clips that such a group needs, so its events are decided
later, but with the same result, and no span ends for lack of a score.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from alignment.aligners.base import Aligner
from alignment.aligners.explanation import Explanation, explain
from alignment.personal.samples import Samples
from alignment.personal.scorer import Heads, PersonalScorer
from alignment.spans.tracker import SpanTracker
from alignment.types import F32, F64, MODALITIES, Detections, FeatureWindow, ScoreTrack, Span, SpanChange
from alignment.windows import ClipWindow
from workers.decisions.rules import RuleSet
from workers.items import ZoneAnswer
from workers.types import Areas, SoundTags, Utterance

UTTERANCES_KEEP_S = 300.0
STALLED_VIDEO_S = 5.0  # audio that is so far ahead of the last frame advances the window without frames
MAX_DEFERRED = 15  # hops that a group may skip in a row; a window has 75 clips
SPEECH, SOUND = MODALITIES.index("speech"), MODALITIES.index("sound")


@dataclass(frozen=True, slots=True)
class Hop:
    """A window to decide on. ``first``: number of its first clip; ``decided``: how many clips are final.

    No more frames come before stream second ``frames_until_s``, no more utterances before ``speech_until_s``, and no
    more sounds before ``sound_until_s``.
    """

    window: FeatureWindow
    first: int
    decided: int
    frames_until_s: float
    speech_until_s: float
    sound_until_s: float


@dataclass(frozen=True, slots=True)
class Former:
    """What stays where other rules come into force: groups, the trackers of events that stay.

    ``clips``: number of the first clip that a new rule reads.
    """

    groups: Sequence["PriorityGroup"] = ()
    trackers: Mapping[str, SpanTracker] = field(default_factory=dict)
    clips: int = 0

    def group(self, events: Sequence[str], aligner: Aligner) -> "PriorityGroup | None":
        """Return the group of exactly these events if all of them stay."""
        same = (g for g in self.groups if g.aligner is aligner and [*g.trackers] == [*events])
        return next(same, None) if self.trackers.keys() >= {*events} else None


NOTHING_BEFORE = Former()


class PriorityGroup:
    """Some events of a ``RuleSet``, by their places in it: those of one priority and one zone.

    ``zone``: see ``RuleSet.zone_of``. ``first``: no other events are more important.
    """

    def __init__(
        self,
        rule_set: RuleSet,
        places: Sequence[int],
        aligner: Aligner,
        zone: int = 0,
        first: bool = True,
        before: Former = NOTHING_BEFORE,
    ) -> None:
        self.zone, self.first = zone, first
        self._queries = [rule_set.queries[i] for i in places]
        self._trackers = [
            before.trackers.get(q.event)
            or SpanTracker(q.event, rule_set.rules[i], rule_set.budgets.get(q.event), before.clips)
            for i, q in zip(places, self._queries, strict=True)
        ]
        self.aligner, self._scorer = aligner, PersonalScorer(aligner.begin(self._queries), rule_set.heads)
        self._latest: tuple[FeatureWindow, tuple[ScoreTrack, ...]]
        self._deferred = 0
        self.scores: dict[str, float] = {}  # of the last decided clip
        self.known: dict[str, tuple[float, float]] = {}  # see ``Segment.known``

    def defer(self) -> bool:
        """Skip a hop; return False if too many were skipped already, or if no events are more important."""
        self._deferred += 1
        return not self.first and self._deferred <= MAX_DEFERRED

    def advance(self, hop: Hop) -> list[SpanChange]:
        """Score the window and update every tracker."""
        self._deferred = 0
        changes: list[SpanChange] = []
        tracks = self._scorer.score(hop.window, hop.first)
        self._latest = (hop.window, tracks)
        for query, tracker, track in zip(self._queries, self._trackers, tracks, strict=True):
            spoken = query.prior[SPEECH] > 0
            settled = min(hop.frames_until_s, hop.speech_until_s) if spoken else hop.frames_until_s
            changes += tracker.update(track, hop.first, hop.decided, settled)
            self.scores[query.event] = float(track.p[hop.decided - 1]) if hop.decided else 0.0
            heard_until = hop.sound_until_s if query.prior[SOUND] > 0 else float("inf")
            self.known[query.event] = min(tracker.known_until, heard_until), tracker.open_until
        return changes

    def use(self, heads: Heads, since: int) -> None:
        """Correct scores by other heads, of the clips from number ``since`` on."""
        self._scorer.use(heads, since)

    def samples_of(self, span: Span) -> Samples:
        """Return the surest clips of a span of the latest changes, as they were scored without heads."""
        return self._scorer.samples(span.event, span.start, span.end)

    @property
    def trackers(self) -> dict[str, SpanTracker]:
        """Return the trackers by event."""
        return {tracker.event: tracker for tracker in self._trackers}

    def finish(self, but: Collection[str] = ()) -> list[SpanChange]:
        """Close every span, at the end of the segment or of a rule; not those of the events ``but``."""
        return [c for t in self._trackers if t.event not in but for c in t.finish()]

    def explain(self, span: Span) -> Explanation | None:
        """Return why a span of the latest changes was reported; None if its event is not in this group."""
        for i, query in enumerate(self._queries):
            if query.event == span.event:
                window, tracks = self._latest
                return explain(window, query, tracks[i], span, self.aligner)
        return None


def build_priority_groups(
    rule_set: RuleSet, aligner: Aligner, live: bool, before: Former = NOTHING_BEFORE
) -> list[PriorityGroup]:
    """Return the groups of a stream, the most important first. A file, which is never behind, has one for each zone.

    Where other rules were in force ``before``, events that stay keep their trackers, and groups of such events stay.
    """
    levels = rule_set.priorities if live else ()
    by_group: dict[tuple[int, int], list[int]] = {}
    for i in range(len(rule_set.queries)):
        by_group.setdefault((-levels[i] if levels else 0, rule_set.zone_of(i)), []).append(i)
    top = min(by_group, default=(0, 0))[0]
    groups = []
    for (level, zone), places in sorted(by_group.items()):
        same = before.group([rule_set.queries[i].event for i in places], aligner)
        group = same or PriorityGroup(rule_set, places, aligner, before=before)
        group.zone, group.first = zone, level == top
        groups.append(group)
    return groups


class Segment:
    """The windows, the trackers and the utterances of one segment.

    ``zone_windows`` are windows for the parts of the frame in ``rule_set.zones``: the same clips, and what each part
    shows. What is said and heard is the same in all.
    """

    def __init__(
        self,
        name: str,
        rule_set: RuleSet,
        aligner: Aligner,
        window: ClipWindow,
        live: bool = False,
        zone_windows: Sequence[ClipWindow] = (),
    ) -> None:
        self.name = name
        self.utterances: list[Utterance] = []
        self.settled_s = float("inf")  # no more utterances come before this stream second; infinite without audio
        self.scores: dict[str, float] = {}
        self.start_s = float("inf")
        self.late = 0  # frames that came when their time had left the window
        self._aligner = aligner
        self._groups = build_priority_groups(rule_set, aligner, live)
        self._areas, self._readings = _areas(rule_set), _readings(rule_set)
        self._live, self._zones = live, rule_set.zones
        self._window, self._windows = window, (window, *zone_windows)
        self._audio_until = float("-inf")

    def start_at(self, t: float) -> None:
        """Set where the segment begins, in stream seconds; later calls have no effect."""
        self.start_s = min(self.start_s, t)
        for window in self._windows:
            window.start_at(t)

    def add_frames(
        self,
        t: F64,
        features: F32,
        detections: Detections | None = None,
        behind: bool = False,
        zones: Sequence[ZoneAnswer] = (),
    ) -> list[SpanChange]:
        """Add frames: times [N], features [N, D], objects [N, M, 8]. ``behind``: defer less important events."""
        for window, seen in zip(
            self._windows, (ZoneAnswer(features, detections), *self._in_zones(zones, features)), strict=True
        ):
            found = [None] * len(t) if seen.detections is None else list(seen.detections)
            for when, feature, objects in zip(t, seen.features, found, strict=True):
                late = not window.add_frame(float(when), feature, objects)
                self.late += late and window is self._window
        return self._advance(behind=behind)

    def add_audio(self, end_s: float, settled_s: float, tags: SoundTags | None, video: bool) -> list[SpanChange]:
        """Add audio that was analysed up to ``end_s`` and transcribed up to ``settled_s``."""
        self._audio_until, self.settled_s = end_s, settled_s
        if tags is not None:
            for window in self._windows:
                window.add_sound(tags.t, tags.p)
        if video and end_s - self._window.last_t < STALLED_VIDEO_S:
            return []
        before = len(self._window)
        for window in self._windows:
            window.fill_until(end_s - (STALLED_VIDEO_S if video else 0.0))
        return self._advance() if len(self._window) > before else []

    def add_utterances(self, utterances: Sequence[Utterance], features: F32) -> list[SpanChange]:
        """Add utterances with their features [S, D']."""
        if not utterances:
            return []
        for u, feature in zip(utterances, features, strict=True):
            for window in self._windows:
                window.add_speech(u.start_s, u.end_s, feature)
        self.utterances += utterances
        self.utterances = [u for u in self.utterances if u.end_s > utterances[-1].end_s - UTTERANCES_KEEP_S]
        return self._advance()

    def finish(self, end_s: float | None) -> list[SpanChange]:
        """Decide on every clip and close every span. ``end_s``: where the media ends, if known."""
        for window in self._windows:
            if end_s is not None:
                window.limit(max(end_s, self._audio_until))  # audio may be longer than video
            window.fill_until(self._audio_until)
        changes = self._advance(final=True)
        return changes + [c for group in self._groups for c in group.finish()]

    def close_others(self, kept: Collection[str]) -> list[SpanChange]:
        """Close the spans of all events but those that are ``kept``, before other rules come into force."""
        return [c for group in self._groups for c in group.finish(but=kept)]

    def change_rules(self, rule_set: RuleSet, aligner: Aligner, kept: Collection[str]) -> None:
        """Go on with other rules: spans of events that are ``kept`` stay, the others begin with the next clip."""
        windows = dict(zip(self._zones, self._windows[1:], strict=True))
        new = tuple(windows[z] if z in windows else self._window.unseen() for z in rule_set.zones)
        self._zones, self._windows = rule_set.zones, (self._window, *new)
        trackers = {event: t for group in self._groups for event, t in group.trackers.items() if event in kept}
        before = Former(self._groups, trackers, self._window.first + len(self._window))
        self._groups = build_priority_groups(rule_set, aligner, self._live, before)
        for group in self._groups:
            group.use(rule_set.heads, before.clips)
        self._areas, self._readings, self._aligner = _areas(rule_set), _readings(rule_set), aligner
        events = {q.event for q in rule_set.queries}
        self.scores = {event: p for event, p in self.scores.items() if event in events}

    @property
    def known(self) -> dict[str, tuple[float, float]]:
        """Return for each event the stream second before which no further span begins, and the end of an open one."""
        return {event: known for group in self._groups for event, known in group.known.items()}

    def explain(self, span: Span) -> Explanation:
        """Return why a span of the latest changes was reported."""
        return next(found for group in self._groups if (found := group.explain(span)) is not None)

    def samples_of(self, span: Span) -> Samples:
        """Return what people judge of a span of the latest changes."""
        return next(group for group in self._groups if span.event in group.trackers).samples_of(span)

    def areas_of(self, span: Span) -> Areas:
        """Return the part of the frame in which a span's event is looked for; nothing for all of it."""
        return self._areas.get(span.event, ())

    def read_as(self, span: Span) -> tuple[str, ...]:
        """Return what each wording of a span's event was taken to mean."""
        return self._readings.get(span.event, ())

    def frames_of(self, span: Span) -> F32:
        """Return the features f32[N, D] of a span's frames that are still in the window of its event."""
        zone = next(group.zone for group in self._groups if span.event in group.scores)
        window = self._windows[zone].features()
        inside = (window.bounds[:, 1] > span.start) & (window.bounds[:, 0] < span.end)
        return np.asarray(window.frames[window.frame_mask & inside])

    def _in_zones(self, zones: Sequence[ZoneAnswer], features: F32) -> list[ZoneAnswer]:
        """Return what each zone shows; frames that were requested before it was one show nothing of it."""
        by_areas = {zone.areas: zone for zone in zones}
        unseen = ZoneAnswer(np.full_like(features, np.nan), None)
        return [by_areas.get(areas, unseen) for areas in self._zones]

    def _advance(self, final: bool = False, behind: bool = False) -> list[SpanChange]:
        """Decide on the window: the most important events, and the others unless they are deferred."""
        clips = len(self._window)
        if not clips:
            return []
        decided = clips if final else max(0, clips - self._aligner.lookahead)
        heard_until = self._audio_until if self._audio_until > float("-inf") else float("inf")
        hops = [Hop(w.features(), w.first, decided, w.last_t, self.settled_s, heard_until) for w in self._windows]
        changes: list[SpanChange] = []
        for group in self._groups:
            if not (behind and group.defer()):
                changes += group.advance(hops[group.zone])
        self.scores = {event: p for group in self._groups for event, p in group.scores.items()}  # read by other threads
        for window in self._windows:
            window.trim()
        return changes


def _readings(rule_set: RuleSet) -> dict[str, tuple[str, ...]]:
    return {q.event: q.read_as for q in rule_set.queries}


def _areas(rule_set: RuleSet) -> dict[str, Areas]:
    """Return where each event is looked for."""
    return dict(zip((q.event for q in rule_set.queries), rule_set.areas, strict=False))
