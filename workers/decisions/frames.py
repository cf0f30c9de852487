"""What a stream keeps of its events for a second opinion: some frames of each."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from alignment.types import F64, SpanChangeType
from workers.events.evidence import EvidenceStore, jpeg
from workers.events.explain_picture import ExplanationCard
from workers.events.kept_frames import MOST, KeptFrame, pack_frames
from workers.services.clients import StateClient

APART_S = 1.0  # an event that goes on gives a frame so often; of these the best spread ones stay
KEEP_EVENTS = 64  # that go on, whose frames are remembered


class FrameKeeper:
    """Keeps frames of the events of one camera: the most probable moments, and others that lie far from these."""

    def __init__(self, state: StateClient, frames: EvidenceStore) -> None:
        self._state, self._frames = state, frames
        self._open: OrderedDict[str, tuple[KeptFrame, ...]] = OrderedDict()  # by event id

    def keep(self, event_id: str, card: ExplanationCard, change: SpanChangeType) -> None:
        """Write frames of an event that opens or ends; of one that goes on remember them, for frames go by."""
        span, before = card.span, self._open.get(event_id, ())
        is_early = bool(before) and span.end - before[-1].t < APART_S
        if change == "update" and (is_early or not span.open):  # a late transcript shows nothing new
            return
        kept = self._chosen(card, before)
        self._open.pop(event_id, None)
        if span.open:
            self._open[event_id] = kept
            while len(self._open) > KEEP_EVENTS:
                self._open.popitem(last=False)
        if change != "update" and kept:
            shown = {"start": min(span.start, kept[0].t), "end": max(span.end, kept[-1].t)} if card.live else {}
            self._state.keep_frames(card.camera, event_id, pack_frames(kept, shown))

    def _chosen(self, card: ExplanationCard, before: Sequence[KeptFrame]) -> tuple[KeptFrame, ...]:
        known, passing = {frame.t: frame for frame in before}, dict(self._frames.near(card.span))
        times = np.array(sorted({*known, *passing}))
        if not len(times):
            return ()
        best = {float(times[np.abs(times - t).argmin()]): t for t, _ in card.why.best}
        found = []
        for t in spread(times, best):
            frame = known.get(t) or KeptFrame(t, jpeg(passing[t]))
            boxes = tuple(seen.box for seen in card.why.objects if seen.t == best.get(t))
            found.append(replace(frame, boxes=boxes) if boxes else frame)
        return tuple(found)


def spread(times: F64, first: Iterable[float]) -> list[float]:
    """Return at most ``MOST`` of ``times`` f64[N], rising: those that are ``first``, then always the farthest one."""
    chosen = list(first) or [float(times[0])]
    while len(chosen) < min(MOST, len(times)):
        gaps = np.abs(times[:, None] - np.array(chosen)).min(axis=1)
        chosen.append(float(times[gaps.argmax()]))
    return sorted(chosen)
