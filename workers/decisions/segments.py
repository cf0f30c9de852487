"""The segments of one stream: which changes of spans follow from each of its items. No threads, no clock, no output.

A live stream decides by it (``decider``), and a backtest decides again on the items that the index keeps.
"""

from collections.abc import Collection
from dataclasses import dataclass

from alignment.aligners.base import Aligner
from alignment.types import SpanChange
from alignment.windows import ClipWindow
from workers.decisions.rules import RuleSet
from workers.decisions.segment import Segment
from workers.items import AudioAnalysed, FrameAnswer, Transcript
from workers.types import SourceInfo

BRIDGE_S = 5.0  # how far a live clip may reach where frames were dropped between two: unseen is not gone


@dataclass(frozen=True, slots=True)
class StreamShape:
    """What the windows of a stream depend on. ``keyframes``: only those were sampled; ``dims``: of features."""

    info: SourceInfo
    hop_s: float
    keyframes: bool
    dims: tuple[int, int]

    def window(self) -> ClipWindow:
        """Return an empty window."""
        live = self.info.live
        stands = not live and not self.keyframes  # between key frames there are others
        return ClipWindow(self.hop_s, *self.dims, reach_s=BRIDGE_S if live else 0.0, stands=stands)


class Segments:
    """The open segments of one stream, by number. For one thread; any may read ``scores``."""

    def __init__(self, shape: StreamShape, rule_set: RuleSet, aligner: Aligner) -> None:
        self._shape, self._rule_set, self._aligner = shape, rule_set, aligner
        self._open: dict[int, Segment] = {}

    @property
    def open(self) -> list[Segment]:
        """Return the segments that have begun and not ended."""
        return list(self._open.values())

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of the same."""
        return list(self._open)

    def begin(self, number: int, start_s: float) -> Segment:
        """Return the state of a segment; it begins where its first item does."""
        if number not in self._open:
            shape = self._shape
            window, *zones = (shape.window() for _ in (None, *self._rule_set.zones))
            name = f"{shape.info.key}/{number}"
            segment = Segment(name, self._rule_set, self._aligner, window, shape.info.live, zones)
            segment.start_at(start_s)
            self._open[number] = segment
        return self._open[number]

    def add(self, item: FrameAnswer | Transcript | AudioAnalysed) -> list[SpanChange]:
        """Add an item to its segment, which has begun."""
        segment = self._open[item.segment]
        if isinstance(item, FrameAnswer):
            return segment.add_frames(item.pts_s, item.features, item.detections, item.behind, item.zones)
        if isinstance(item, Transcript):
            return segment.add_utterances(item.utterances, item.features)
        return segment.add_audio(item.end_s, item.settled_s, item.tags, self._shape.info.has_video)

    def change_rules(self, rule_set: RuleSet, aligner: Aligner, kept: Collection[str]) -> None:
        """Decide by other rules from the next item on; see ``Segment.change_rules``."""
        self._rule_set, self._aligner = rule_set, aligner
        for segment in self._open.values():
            segment.change_rules(rule_set, aligner, kept)

    def finish(self, number: int) -> tuple[Segment, list[SpanChange]] | None:
        """Close a segment and its spans; the only segment of a file ends where the file does. None: it never began."""
        segment = self._open.pop(number, None)
        if segment is None:
            return None
        info = self._shape.info
        return segment, segment.finish(None if info.live or number else info.duration_s)
