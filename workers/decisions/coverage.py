"""Since when and until when each event of a stream is known: what absence may be concluded from.

A stream that is interrupted, or drops frames, for longer than a stall is not watched in between. Shorter gaps count as
watched, as for the rest of the program: a camera that is silent for less is not stalled.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from alignment.types import MODALITIES
from workers.decisions.rules import RuleSet
from workers.types import SourceInfo

VISION = MODALITIES.index("vision")


@dataclass(frozen=True, slots=True)
class Watched:
    """Stream seconds of one event: all spans that begin from ``since`` until before ``until`` are published.

    ``lasts_until``: the end so far of a span that goes on, of which less may be published.
    """

    since: float
    until: float
    lasts_until: float = float("-inf")


class Stretch:
    """A stretch of time without a gap of more than ``bridged_s``."""

    def __init__(self, bridged_s: float) -> None:
        self.since = float("inf")
        self._bridged_s, self._until = bridged_s, float("-inf")

    def add(self, start_s: float, end_s: float) -> None:
        """Add a time that was watched; after a gap that is too long a new stretch begins."""
        if start_s - self._until > self._bridged_s:
            self.since = start_s
        self._until = max(self._until, end_s)


class Coverage:
    """What is known of the events of one stream. For one thread; ``watched`` may be read by any."""

    def __init__(self, info: SourceInfo, bridged_s: float, rule_set: RuleSet) -> None:
        self.watched: Mapping[str, Watched] = {}
        self._info, self._position_s = info, float("-inf")
        self._frames, self._audio = Stretch(bridged_s), Stretch(bridged_s)
        self._since: dict[str, float] = {}  # of events that are looked for only from then on
        self._needs = self._needed(rule_set)

    def change(self, rule_set: RuleSet, kept: Set[str]) -> None:
        """Continue with other rules; those of the events that are ``kept`` were in force before."""
        self._needs = self._needed(rule_set)
        before = {event: since for event, since in self._since.items() if event in kept}
        self._since = {
            event: before.get(event, self._position_s) for event in self._needs if event not in kept
        } | before
        self.watched = {event: known for event, known in self.watched.items() if event in kept}

    def add_frames(self, times: Iterable[float]) -> None:
        """Add frames that were decided on, by stream seconds."""
        for t in times:
            self._frames.add(t, t)
            self._position_s = max(self._position_s, t)

    def add_audio(self, start_s: float, end_s: float) -> None:
        """Add audio that was analysed."""
        self._audio.add(start_s, end_s)
        if not self._info.has_video:
            self._position_s = end_s

    def publish(self, known: Mapping[str, tuple[float, float]]) -> None:
        """Take until when each event is known, and its open span: all that begins before has been published."""
        self.watched = {event: Watched(self._began(event), *times) for event, times in known.items()}

    def _began(self, event: str) -> float:
        """Return since when an event is watched; infinity for one that cannot happen in this stream."""
        stretches = [stretch.since for stretch in self._needs.get(event, ())]
        return max([*stretches, self._since.get(event, float("-inf"))]) if stretches else float("inf")

    def _needed(self, rule_set: RuleSet) -> dict[str, tuple[Stretch, ...]]:
        """Return what each event is looked for in."""
        needed = {}
        for query in rule_set.queries:
            seen = self._info.has_video and query.prior[VISION] > 0
            heard = self._info.has_audio and any(p > 0 for i, p in enumerate(query.prior) if i != VISION)
            needed[query.event] = (*([self._frames] if seen else ()), *([self._audio] if heard else ()))
        return needed
