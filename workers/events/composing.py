"""From what a rule over time finds to the event that is published: one event, with its parts as its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alignment.temporal.expressions import Ref
from alignment.temporal.rule import TemporalRule
from alignment.temporal.types import Change, Part
from alignment.temporal.wording import in_words
from alignment.types import MODALITIES
from workers.events.event import SCHEMA_VERSION, Event, EventPart, Evidence, SourceFile, Word
from workers.events.timestamps import iso

MAX_WORDS = 100  # of all parts


@dataclass(frozen=True, slots=True)
class CompositeWriter:
    """Writes the events of one rule. ``live``: its cameras are live streams.

    ``segment`` and ``source``: of the file, if it is not.
    """

    rule: TemporalRule
    config_hash: str
    live: bool = True
    segment: str = ""
    source: SourceFile | None = None

    def write(self, change: Change, revision: int, known: Mapping[str, Event], now: float) -> Event:
        """Return the event of one change; ``known``: the latest revisions of its parts, as far as they are there."""
        rule, found, live = self.rule, change.occurrence, self.live
        parts = [known[part.id] for part in found.parts if part.id in known]
        so_far = min(found.end, max(now, found.onset)) if live and found.open else found.end  # a rate may hold longer
        start, end = round(found.start, 3), round(max(found.start, so_far), 3)
        return Event(
            schema=SCHEMA_VERSION,
            type=change.type,
            id=rule.id_of(found.key),
            revision=revision,
            camera=rule.camera,
            event=rule.name,
            start=start,
            end=end,
            score=min((event.score for event in parts), default=1.0),
            start_time=iso(start) if live else None,
            end_time=iso(end) if live else None,
            start_unix=start if live else None,
            end_unix=end if live else None,
            segment=self.segment,
            live=live,
            source=self.source,
            description=(in_words(rule.expression, here=rule.camera if len(rule.cameras) == 1 else None),),
            parts=tuple(_part(part, known.get(part.id)) for part in found.parts),
            cameras=rule.cameras,
            priority=rule.priority,
            score_track=(),
            over_budget=found.over_budget,
            modalities=_shares(parts),
            evidence=_evidence(parts),
            model=parts[-1].model if parts else "",
            config_hash=self.config_hash,
            produced_at=iso(now),
            latency_s=round(max(0.0, now - found.onset), 3) if live else None,
        )


def part_of(event: Event) -> Part:
    """Return what a rule reads of an event."""
    is_open = event.type != "end"
    return Part(event.id, Ref(event.camera, event.event), event.start, event.end, is_open, event.over_budget)


def _part(part: Part, event: Event | None) -> EventPart:
    return EventPart(
        id=part.id,
        camera=str(part.source.camera),
        event=part.source.event,
        start=round(part.start, 3),
        end=round(part.end, 3),
        score=event.score if event else 0.0,
    )


def _shares(parts: Sequence[Event]) -> dict[str, float]:
    """Return the mean share of each modality."""
    sums = {m: sum(event.modalities.get(m, 0.0) for event in parts) for m in MODALITIES}
    return {m: round(total / len(parts), 3) for m, total in sums.items()} if parts else {}


def _evidence(parts: Sequence[Event]) -> Evidence:
    """Return what the parts show: the pictures of the last one that has any, and what was said in all of them."""
    words: dict[tuple[float, str], Word] = {(w.start, w.text): w for event in parts for w in event.evidence.words}
    said = tuple(words[key] for key in sorted(words))[:MAX_WORDS]
    for event in reversed(parts):
        if event.evidence.snapshot is not None:
            return event.evidence.model_copy(update={"words": said})
    return Evidence(snapshot=None, clip=None, top_frames=(), words=said)
