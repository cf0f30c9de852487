"""From what happened to a span to the document that is published."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from alignment.aligners.explanation import Point, SeenObject
from alignment.spans.identity import event_id
from alignment.types import MODALITIES, SpanChange
from workers.events.event import (
    SCHEMA_VERSION,
    DetectedObject,
    Event,
    Evidence,
    Rule,
    SourceFile,
    Verification,
    Word,
    ZoneOutline,
)
from workers.events.evidence import Pictures
from workers.events.explain_picture import ExplanationCard
from workers.events.timestamps import iso
from workers.types import EventSpec, ModelInfo, Utterance


def spec_version(spec: EventSpec) -> str:
    """Return 8 hexadecimal digits that change when the description or the rule of an event changes.

    The priority does not count: it decides when the event is looked for, not what is found. Of zones the areas count,
    their names do not, and of a verifier the budget that it allows. Without both the digits are those of versions that
    had none.
    """
    others = ("priority", "zones", "verify", "keep_frames")
    decisive = {name: value for name, value in asdict(spec).items() if name not in others}
    decisive["max_false_alerts_per_hour"] = spec.first_stage_per_hour
    if spec.zones:
        decisive["areas"] = sorted(spec.areas)
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class EventContext:
    """What is known when an event is written: Unix time, seconds since capture (live), the reasons, the pictures.

    ``source`` is the file that is watched; None for a live stream.
    """

    now: float
    latency_s: float | None
    card: ExplanationCard
    pictures: Pictures
    source: SourceFile | None = None


@dataclass(frozen=True, slots=True)
class EventWriter:
    """Writes the events of one camera.

    ``models`` names the encoder and the aligner, for the ids; ``config_hash`` is information for readers only.
    ``classes`` are the names of what is detected, by number.
    """

    camera: str
    live: bool
    hop_s: float
    model: ModelInfo
    models: str
    config_hash: str
    classes: Sequence[str] = ()

    def identity(self, change: SpanChange, spec: EventSpec, segment: str) -> str:
        """Return the permanent id of this change's span; ``segment`` names the content or session and its part."""
        definition = spec_version(spec)
        return event_id(self.camera, segment, spec.name, definition, change.opened, self.hop_s, self.models)

    def write(self, change: SpanChange, segment: str, moment: EventContext) -> Event:
        """Return the event for one change."""
        span, spec, live = change.span, moment.card.spec, self.live
        start, end = round(span.start, 3), round(span.end, 3)
        event = Event(
            schema=SCHEMA_VERSION,
            type="end" if change.type == "update" and not span.open else change.type,  # it has ended before
            id=self.identity(change, spec, segment),
            revision=change.revision,
            camera=self.camera,
            event=spec.name,
            start=start,
            end=end,
            score=round(span.score, 4),
            start_time=iso(span.start) if live else None,
            end_time=iso(span.end) if live else None,
            start_unix=start if live else None,
            end_unix=end if live else None,
            segment=segment,
            live=live,
            source=moment.source,
            description=spec.describe,
            read_as=moment.card.read_as,
            zone=tuple(zone.name for zone in spec.zones),
            priority=spec.priority,
            score_track=_points(span.track),
            rule=_rule(spec, span.threshold),
            over_budget=span.over_budget,
            modalities={m: round(x, 3) for m, x in zip(MODALITIES, span.shares, strict=True)},
            evidence=_evidence(moment.card, moment.pictures, self.classes),
            model=self.model.id,
            config_hash=self.config_hash,
            produced_at=iso(moment.now),
            latency_s=_rounded(moment.latency_s, 3),
        )
        if spec.verify is None:
            return event
        verify = spec.verify
        pending = Verification(verdict="pending", policy=verify.policy, fallback=verify.fallback)
        if verify.describe:
            pending = pending.model_copy(update={"description": verify.describe})
        return event.model_copy(update={"verification": pending})


def _rule(spec: EventSpec, threshold: float | None) -> Rule:
    rule = Rule(threshold=_rounded(threshold, 4), max_false_alerts_per_hour=spec.first_stage_per_hour)
    is_looser = spec.max_false_alerts_per_hour != spec.first_stage_per_hour
    return rule.model_copy(update={"budget_per_hour": spec.max_false_alerts_per_hour}) if is_looser else rule


def _evidence(card: ExplanationCard, pictures: Pictures, classes: Sequence[str]) -> Evidence:
    why = card.why
    return Evidence(
        snapshot=pictures.snapshot,
        clip=pictures.clip,
        explanation=pictures.explanation,
        snapshot_time=_rounded(pictures.snapshot_time, 3),
        zones=tuple(ZoneOutline(name=zone.name, area=zone.area) for zone in card.spec.zones),
        top_frames=_points(why.best),
        objects=tuple(_object(seen, classes[seen.kind]) for seen in why.objects),
        words=tuple(map(_word, card.heard)),
        attention=tuple((word, round(share, 4)) for word, share in why.words),
        timeline=_points(why.track),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _points(points: Sequence[Point]) -> tuple[Point, ...]:
    return tuple((round(t, 3), round(p, 4)) for t, p in points)


def _object(seen: SeenObject, name: str) -> DetectedObject:
    left, top, right, bottom = (round(min(max(x, 0.0), 1.0), 4) for x in seen.box)
    box = (left, top, right, bottom)
    return DetectedObject(time=round(seen.t, 3), name=name, score=round(seen.p, 4), box=box)


def _word(u: Utterance) -> Word:
    return Word(start=round(u.start_s, 3), end=round(u.end_s, 3), text=u.text, confidence=round(u.confidence, 3))
