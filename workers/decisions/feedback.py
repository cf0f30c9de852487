"""What a stream gives to feedback, and takes from it: features of its events, and the heads made of what was judged."""

import hashlib
import json
from collections.abc import Sequence

import structlog

from alignment.errors import FeatureError
from alignment.personal.files import pack_samples, unpack_head
from alignment.personal.scorer import Heads
from alignment.types import SpanChange
from workers.decisions.segment import Segment
from workers.events.event import Event
from workers.services.clients import StateClient
from workers.types import EventSpec

log = structlog.get_logger()


class SampleKeeper:
    """Keeps the surest clips of each event, for people who may judge it later."""

    def __init__(self, state: StateClient, specs: Sequence[EventSpec], models: str) -> None:
        """``models`` names all models that decide."""
        self._state, self._models = state, models
        self.change_rules(specs)

    def change_rules(self, specs: Sequence[EventSpec]) -> None:
        """Keep events of other rules from now on."""
        self._keys = {spec.name: feedback_key(spec, self._models) for spec in specs}

    def keep(self, event: Event, change: SpanChange, segment: Segment) -> None:
        """Keep what a new or ended event is judged by; of updates the end tells more."""
        if change.type == "update":
            return
        samples = segment.samples_of(change.span)
        about = {
            "event": event.event,
            "key": self._keys[event.event],
            "threshold": change.span.threshold,
            "start": event.start_unix,
            "end": event.end_unix,
        }
        if len(samples):
            self._state.keep_samples(event.camera, event.id, pack_samples(samples, about))


def feedback_key(spec: EventSpec, models: str) -> str:
    """Return what clicks belong to: a description in words and the models that read it, whatever the rule and zone."""
    words = json.dumps([spec.describe, spec.unlike, spec.modalities])
    return f"{hashlib.sha256(words.encode()).hexdigest()[:12]} {models}"


def load_heads(state: StateClient, specs: Sequence[EventSpec], models: str) -> Heads:
    """Return the heads in force of those events whose description and models are the ones that people judged."""
    heads = {}
    for spec in specs:
        name = spec.name
        content = state.load_head(name)
        if content is None:
            continue
        try:
            head, about = unpack_head(content)
        except FeatureError as error:
            log.warning("what was learned from clicks cannot be used", event_name=name, error=str(error))
            continue
        if about.get("key") == feedback_key(spec, models):
            heads[name] = head
    return heads
