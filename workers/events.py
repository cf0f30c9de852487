"""From what happened to a span to the document that is published."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from alignment.explaining import Point
from alignment.identity import event_id
from alignment.types import MODALITIES, Span, SpanChange
from workers.evidence import Pictures
from workers.explain_picture import Sheet
from workers.publish.schema import SCHEMA_VERSION
from workers.types import Event, EventSpec, ModelInfo, Utterance


def spec_version(spec: EventSpec) -> str:
    """Return 8 hexadecimal digits that change when the description or the rule of an event changes."""
    return hashlib.sha256(json.dumps(asdict(spec), sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known when an event is written: Unix time, seconds since capture (live), the reasons, the pictures."""

    now: float
    latency_s: float | None
    sheet: Sheet
    pictures: Pictures


@dataclass(frozen=True, slots=True)
class EventWriter:
    """Writes the events of one camera."""

    camera: str
    live: bool
    hop_s: float
    model: ModelInfo
    config_hash: str

    def identity(self, change: SpanChange, spec: EventSpec, epoch: str) -> str:
        """Return the id that this change's span has for life; ``epoch`` names the content or session and its part."""
        fields = (self.camera, epoch, spec.name, spec_version(spec), change.opened, self.hop_s)
        return event_id(*fields, self.model.id, self.config_hash)

    def write(self, change: SpanChange, epoch: str, moment: Moment) -> Event:
        """Return the event for one change."""
        span, spec = change.span, moment.sheet.spec
        head: dict[str, Any] = {
            "schema": SCHEMA_VERSION,
            "type": change.type,
            "id": self.identity(change, spec, epoch),
            "revision": change.revision,
            "camera": self.camera,
            "event": spec.name,
            "start": round(span.start, 3),
            "end": round(span.end, 3),
            "score": round(span.score, 4),
        }
        body = head | self._details(span, epoch, moment)
        return Event(**{k: v for k, v in head.items() if k != "schema"}, body=body)

    def _details(self, span: Span, epoch: str, moment: Moment) -> dict[str, Any]:
        spec = moment.sheet.spec
        return {
            "start_time": _iso(span.start) if self.live else None,
            "end_time": _iso(span.end) if self.live else None,
            "start_epoch": round(span.start, 3) if self.live else None,
            "end_epoch": round(span.end, 3) if self.live else None,
            "epoch": epoch,
            "live": self.live,
            "description": list(spec.describe),
            "priority": spec.priority,
            "score_track": _points(span.track),
            "rule": {
                "threshold": None if span.threshold is None else round(span.threshold, 4),
                "max_false_alerts_per_hour": spec.max_false_alerts_per_hour,
            },
            "modalities": {m: round(x, 3) for m, x in zip(MODALITIES, span.shares, strict=True)},
            "evidence": _evidence(moment.sheet, moment.pictures),
            "model": self.model.id,
            "config_hash": self.config_hash,
            "produced_at": _iso(moment.now),
            "latency_s": None if moment.latency_s is None else round(moment.latency_s, 3),
        }


def _evidence(sheet: Sheet, pictures: Pictures) -> dict[str, Any]:
    why = sheet.why
    return {
        "snapshot": pictures.snapshot,
        "clip": None,
        "explanation": pictures.explanation,
        "top_frames": _points(why.best),
        "words": [_word(u) for u in sheet.heard],
        "attention": [[word, round(share, 4)] for word, share in why.words],
        "timeline": _points(why.track),
    }


def _points(points: Sequence[Point]) -> list[list[float]]:
    return [[round(t, 3), round(p, 4)] for t, p in points]


def _word(u: Utterance) -> dict[str, Any]:
    return {
        "start": round(u.start_s, 3),
        "end": round(u.end_s, 3),
        "text": u.text,
        "confidence": round(u.confidence, 3),
    }


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
