"""What one stream decides by: all of it can be exchanged while the stream runs, from one hop to the next.

It is prepared in a thread of its own, since descriptions must be embedded, and reaches the deciding thread as one more
item of its queue: no frame waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alignment.aligners.base import Aligner
from workers.audio.analyser import AudioAnalyser
from workers.decisions.budgets.store import BudgetKeys
from workers.decisions.feedback import load_heads
from workers.decisions.preparation import audio_analyser, impossible_events
from workers.decisions.rules import RuleSet, build_rule_set
from workers.services.clients import StreamServices
from workers.types import CameraSpec, EventSpec, SourceInfo


@dataclass(frozen=True, slots=True)
class RulesOrder:
    """Which events a stream shall look for. ``services`` are scheduled by their priorities.

    ``config_hash``: of the configuration that they are of.
    """

    events: tuple[EventSpec, ...]
    services: StreamServices
    config_hash: str = ""


@dataclass(frozen=True, slots=True)
class StreamRules:
    """An order with its descriptions embedded. ``warnings``: events that cannot happen in this stream."""

    order: RulesOrder
    rule_set: RuleSet
    aligner: Aligner
    keys: BudgetKeys
    analyser: AudioAnalyser | None
    warnings: tuple[str, ...]

    @property
    def specs(self) -> Sequence[EventSpec]:
        """Return the events."""
        return self.order.events

    def unchanged(self, before: "StreamRules") -> frozenset[str]:
        """Return the names of the events whose definition is the one that it was ``before``."""
        return frozenset(name for name, key in self.keys.events.items() if before.keys.events.get(name) == key)


def prepare_rules(
    order: RulesOrder, camera: CameraSpec, info: SourceInfo, aligner: Aligner, analyser: AudioAnalyser | None = None
) -> StreamRules:
    """Embed the descriptions of an order and derive the rules of one stream; raise the encoder's errors.

    ``analyser``: of the stream so far; what it has heard stays heard.
    """
    specs, services = order.events, order.services
    encoder = services.encoder.describe()
    view = encoder.frame_spec.view(info.width, info.height)
    rule_set = build_rule_set(specs, services.encoder, aligner.rates, view)
    transcribes = services.speech is not None
    warnings = impossible_events(specs, info, services.encoder, rule_set, transcribes)
    keys = BudgetKeys.of(specs, f"{encoder.info.id} {aligner.name}")
    listener = audio_analyser(camera, info, rule_set, transcribes, analyser)
    rule_set = replace(rule_set, heads=load_heads(services.state, specs, keys.model))
    return StreamRules(order, rule_set, aligner, keys, listener, warnings)
