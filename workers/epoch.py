"""One epoch of one camera: features come in, changes to spans come out. No threads, no I/O."""

from collections.abc import Sequence

from alignment.aligner import Aligner
from alignment.explaining import Explanation
from alignment.types import F32, F64, Span, SpanChange
from alignment.windowing import ClipWindow
from workers.tiers import Hop, build_tiers
from workers.types import SoundTags, Utterance
from workers.watch import Watch

WORDS_KEEP_S = 300.0
STALLED_VIDEO_S = 5.0  # sound goes on without pictures: after this long the clips go on without them


class Epoch:
    """The window, the trackers and the words of one epoch."""

    def __init__(self, name: str, watch: Watch, aligner: Aligner, window: ClipWindow, live: bool = False) -> None:
        self.name = name
        self.words: list[Utterance] = []
        self.settled_s = float("inf")  # up to here every utterance is in; infinite without sound
        self.scores: dict[str, float] = {}
        self.late = 0  # frames that came after their time had left the window
        self._aligner = aligner
        self._tiers = build_tiers(watch, aligner, live)
        self._window = window
        self._heard_until = float("-inf")

    def start_at(self, t: float) -> None:
        """Say where the epoch begins, stream seconds; the first call counts."""
        self._window.start_at(t)

    def see(self, t: F64, features: F32, behind: bool = False) -> list[SpanChange]:
        """Add frames: times [N], features [N, D]. ``behind``: put off what is less important."""
        for when, feature in zip(t, features, strict=True):
            self.late += not self._window.add_frame(float(when), feature)
        return self._advance(behind=behind)

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
        return changes + [c for tier in self._tiers for c in tier.finish()]

    def explain(self, span: Span) -> Explanation:
        """Return why one of the latest changes' spans was reported."""
        return next(found for tier in self._tiers if (found := tier.explain(span)) is not None)

    def _advance(self, final: bool = False, behind: bool = False) -> list[SpanChange]:
        """Decide on the window: the most important events, and the others unless they are put off."""
        clips = len(self._window)
        if not clips:
            return []
        decided = clips if final else max(0, clips - self._aligner.lookahead)
        hop = Hop(self._window.features(), self._window.first, decided, self._window.last_t, self.settled_s)
        changes: list[SpanChange] = []
        for i, tier in enumerate(self._tiers):
            if not (behind and i and tier.put_off()):
                changes += tier.advance(hop)
        self.scores = {event: p for tier in self._tiers for event, p in tier.scores.items()}  # read by other threads
        self._window.trim()
        return changes
