"""One epoch of one camera: features come in, changes to spans come out. No threads, no I/O."""

from collections.abc import Sequence

from alignment.aligner import Aligner
from alignment.explaining import Explanation, explain
from alignment.spans import SpanTracker
from alignment.types import F32, F64, MODALITIES, FeatureWindow, ScoreTrack, Span, SpanChange
from alignment.windowing import ClipWindow
from workers.types import SoundTags, Utterance
from workers.watch import Watch

SPEECH = MODALITIES.index("speech")
WORDS_KEEP_S = 300.0
STALLED_VIDEO_S = 5.0  # sound goes on without pictures: after this long the clips go on without them


class Epoch:
    """The window, the trackers and the words of one epoch."""

    def __init__(self, name: str, watch: Watch, aligner: Aligner, hop_s: float, dims: tuple[int, int]) -> None:
        self.name = name
        self.words: list[Utterance] = []
        self.settled_s = float("inf")  # up to here every utterance is in; infinite without sound
        self.scores: dict[str, float] = {}
        self._watch = watch
        self._aligner = aligner
        self._scorer = aligner.begin(watch.queries)
        self._window = ClipWindow(hop_s, *dims)
        self._heard_until = float("-inf")
        self._latest: tuple[FeatureWindow, tuple[ScoreTrack, ...]]
        rules = zip(watch.queries, watch.rules, strict=True)
        self._trackers = [SpanTracker(q.event, r, watch.budgets.get(q.event)) for q, r in rules]

    def start_at(self, t: float) -> None:
        """Say where the epoch begins, stream seconds; the first call counts."""
        self._window.start_at(t)

    def see(self, t: F64, features: F32) -> list[SpanChange]:
        """Add frames: times [N], features [N, D]."""
        for when, feature in zip(t, features, strict=True):
            self._window.add_frame(float(when), feature)
        return self._advance()

    def hear(self, end_s: float, settled_s: float, tags: SoundTags | None, video: bool) -> list[SpanChange]:
        """Note that sound is in up to ``end_s`` and transcribed up to ``settled_s``."""
        self._heard_until, self.settled_s = end_s, settled_s
        if tags is not None:
            self._window.add_sound(tags.t, tags.p)
        if video and end_s - self._window.last_t < STALLED_VIDEO_S:
            return []
        before = len(self._window)
        self._window.fill_until(end_s - (STALLED_VIDEO_S if video else 0.0))
        return self._advance() if len(self._window) > before else []

    def listen(self, utterances: Sequence[Utterance], features: F32) -> list[SpanChange]:
        """Add what was said: features [S, D']."""
        if not utterances:
            return []
        for u, feature in zip(utterances, features, strict=True):
            self._window.add_speech(u.start_s, u.end_s, feature)
        self.words += utterances
        self.words = [w for w in self.words if w.end_s > utterances[-1].end_s - WORDS_KEEP_S]
        return self._advance()

    def finish(self, end_s: float | None) -> list[SpanChange]:
        """Decide on every clip and close every span. ``end_s``: where the media ends, if known."""
        if end_s is not None:
            self._window.limit(max(end_s, self._heard_until))  # sound may outlast the pictures
        self._window.fill_until(self._heard_until)
        changes = self._advance(final=True)
        return changes + [c for t in self._trackers for c in t.finish()]

    def explain(self, span: Span) -> Explanation:
        """Return why one of the latest changes' spans was reported."""
        at = next(i for i, q in enumerate(self._watch.queries) if q.event == span.event)
        window, tracks = self._latest
        return explain(window, self._watch.queries[at], tracks[at], span, self._aligner)

    def _advance(self, final: bool = False) -> list[SpanChange]:
        """Score the window and let every tracker read it."""
        features = self._window.features()
        clips = len(self._window)
        if not clips:
            return []
        decided = clips if final else max(0, clips - self._aligner.lookahead)
        changes: list[SpanChange] = []
        scores: dict[str, float] = {}
        tracks = self._scorer.score(features, self._window.first)
        self._latest = (features, tracks)
        for query, tracker, track in zip(self._watch.queries, self._trackers, tracks, strict=True):
            speaks = query.prior[SPEECH] > 0
            settled = min(self._window.last_t, self.settled_s if speaks else float("inf"))
            changes += tracker.update(track, self._window.first, decided, settled)
            scores[query.event] = float(track.p[decided - 1]) if decided else 0.0
        self.scores = scores  # replaced as a whole: other threads read it
        self._window.trim()
        return changes
