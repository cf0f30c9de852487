"""Events to publish, and the check of their bodies."""

import json
from functools import cache
from typing import Any

import jsonschema

from workers.events.event import Event
from workers.events.schema import event_schema


def validate_body(document: dict[str, Any]) -> None:
    """Raise ``jsonschema.ValidationError`` for an event's document that breaks the schema."""
    _validator().validate(document)


@cache
def _validator() -> jsonschema.Draft202012Validator:
    """Return a validator; making the schema takes 50 ms, which some tests would spend for each of sixty events."""
    return jsonschema.Draft202012Validator(event_schema())


def make_event(number: int = 0, camera: str = "door", text: str = "help me", **changes: Any) -> Event:
    """A revision with a whole document; ``number`` tells events apart."""
    start = changes.get("start", 1.5)
    document = {
        "schema": 1,
        "type": "new",
        "id": f"{number:04x}cafe",
        "revision": 0,
        "camera": camera,
        "event": "cat",
        "start": start,
        "end": 4.0,
        "score": 0.875,
        "start_time": None,
        "end_time": None,
        "start_unix": None,
        "end_unix": None,
        "segment": "f00d:0",
        "live": False,
        "description": ["a cat", "一只猫"],
        "priority": 5,
        "score_track": [[1.5, 0.25], [2.5, 0.875]],
        "rule": {"threshold": 0.625, "max_false_alerts_per_hour": 1 / 24},
        "modalities": {"vision": 0.75, "speech": 0.25, "sound": 0.0},
        "evidence": {
            "snapshot": None,
            "clip": None,
            "top_frames": [[2.5, 0.875]],
            "words": [{"start": start + 0.1, "end": start + 0.9, "text": text, "confidence": 0.9}],
        },
        "model": "lite/efficientnet-lite0@1",
        "config_hash": "0123abcd",
        "produced_at": "2026-01-02T03:04:05.678Z",
        "latency_s": None,
    }
    return Event.from_json(json.dumps(document | changes))


def make_live(number: int = 0, **changes: Any) -> Event:
    """A revision of a live stream's event."""
    return make_event(number, live=True, **changes)
