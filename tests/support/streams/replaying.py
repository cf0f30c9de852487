"""A decider of its own, without a source: it decides on items, and its events are kept in memory."""

import threading
from collections.abc import Iterable

from alignment.aligners.base import Aligner
from tests.support.clocks import FakeClock
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of
from workers.decisions.announcer import Announcer
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.budgets.store import BudgetStore
from workers.decisions.decider import Decider
from workers.decisions.stream_rules import RulesOrder, prepare_rules
from workers.detectors.classes import NAMES
from workers.events.event import Event
from workers.events.evidence import EvidenceStore
from workers.events.writer import EventWriter
from workers.items import StreamItem
from workers.services.clients import StateClient
from workers.types import CameraSpec, EventSpec, SourceInfo


class Replay:
    """Decides on items as the stream of a camera does. ``events``: all revisions so far."""

    def __init__(
        self,
        camera: CameraSpec,
        info: SourceInfo,
        events: tuple[EventSpec, ...],
        aligner: Aligner,
        state: StateClient | None = None,
    ) -> None:
        self._sink, encoder, clock = MemorySink(), ColourEncoder(), FakeClock()
        services, description = services_of(encoder, self._sink, state=state), encoder.describe()
        rules = prepare_rules(RulesOrder(events, services), camera, info, aligner)
        look_alikes = LookAlikes(encoder)
        self.budgets = BudgetStore(None, camera.name, rules.rule_set, rules.keys, look_alikes, clock)
        writer = EventWriter(camera.name, info.live, camera.hop_s, description.info, rules.keys.model, "", NAMES)
        evidence, stopping = EvidenceStore(None, camera.name), threading.Event()
        announcer = Announcer(rules.specs, writer, self._sink, evidence, clock, stopping, services.state)
        self.decider = Decider(camera, info, description, rules, self.budgets, announcer, clock)

    def decide(self, items: Iterable[StreamItem]) -> "Replay":
        """Decide on items, and return this replay."""
        for item in items:
            self.decider.decide(item)
        return self

    @property
    def events(self) -> list[dict[str, object]]:
        """Return what was decided, without what depends on the time of deciding and on files."""
        return decisions(self._sink.events)


def decisions(events: Iterable[Event]) -> list[dict[str, object]]:
    """Return what events say, without the time of writing, the configuration, the file, and the pictures."""
    left_out = {"produced_at", "config_hash", "source", "latency_s"}
    pictures = {"snapshot", "snapshot_time", "clip", "explanation"}
    return [e.model_dump(exclude=dict.fromkeys(left_out, True) | {"evidence": pictures}) for e in events]
