"""The embedded events of one camera, each with the rule that opens and closes its spans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alignment.calibration import SIMILARITY_STRAYS_PER_HOUR, Rates, threshold_for_budget
from alignment.personal.scorer import Heads
from alignment.spans.budget import Budget
from alignment.spans.tracker import SpanRule
from alignment.types import MODALITIES, EventQuery
from workers.areas import WHOLE, as_seen
from workers.services.clients import EncoderClient
from workers.types import Areas, Box, EventSpec

# Chosen on 50 composed streams (seeds 1, 101, 202): F1 is flat from 0.5 to 0.6, strays fall from 2.1 to 1.1 an hour.
DEFAULT_RULES = {
    "vision": SpanRule(enter=0.6, exit=0.42, min_duration_s=2.0),
    "speech": SpanRule(enter=0.6, exit=0.42, min_duration_s=0.3),
    "sound": SpanRule(),
}
OBJECTS_RULE = SpanRule(enter=0.6, exit=0.42, min_duration_s=1.0)  # a car is there for two samples
ABSENT_RULE = SpanRule(enter=0.6, exit=0.42, min_duration_s=3.0, merge_gap_s=0.0)  # what passes ends it
EXIT_RATIO = DEFAULT_RULES["vision"].exit / DEFAULT_RULES["vision"].enter


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Queries and rules in the order of the events; budgets and heads by name of the events that have one."""

    queries: tuple[EventQuery, ...]
    rules: tuple[SpanRule, ...]
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    priorities: tuple[int, ...] = ()  # of the events; empty: all have the same
    areas: tuple[Areas, ...] = ()  # of the events: where in a frame they are looked for; none: in all of it
    heads: Heads = field(default_factory=dict)  # made of what people judged

    @property
    def zones(self) -> tuple[Areas, ...]:
        """Return the different parts of a frame in which events are looked for, beside the whole."""
        return tuple(dict.fromkeys(areas for areas in self.areas if areas))

    def zone_of(self, i: int) -> int:
        """Return where the i-th event is looked for: 0 is the whole frame, n the n-th of ``zones``."""
        areas = self.areas[i] if self.areas else ()
        return 1 + self.zones.index(areas) if areas else 0

    @property
    def detects(self) -> bool:
        """Return whether any event asks for objects."""
        return any(any(q.objects) for q in self.queries)

    def thresholds(self) -> dict[str, float]:
        """Return the threshold on the probability by event, for spans that open now."""
        fixed = {q.event: r.enter for q, r in zip(self.queries, self.rules, strict=True)}
        return fixed | {name: budget.threshold for name, budget in self.budgets.items()}


def build_rule_set(
    specs: Sequence[EventSpec],
    encoder: EncoderClient,
    rates: Rates = SIMILARITY_STRAYS_PER_HOUR,
    view: Box = WHOLE,
) -> RuleSet:
    """Embed the descriptions of events and derive their rules; ``rates`` of false alerts are the aligner's.

    ``view``: the part of the camera's frames that the encoder sees.
    """
    return rule_set_of(specs, encoder.build_queries(specs), rates, view)


def rule_set_of(
    specs: Sequence[EventSpec],
    queries: tuple[EventQuery, ...],
    rates: Rates = SIMILARITY_STRAYS_PER_HOUR,
    view: Box = WHOLE,
) -> RuleSet:
    """Return the rules of events whose descriptions are embedded as ``queries``; new budgets have learned nothing."""
    stated = {s.name: s.first_stage_per_hour for s in specs if s.threshold is None}
    budgets = {name: Budget(per_hour, rates) for name, per_hour in stated.items() if per_hour is not None}
    rules = tuple(span_rule(s, q, rates) for s, q in zip(specs, queries, strict=True))
    areas = tuple(as_seen(s.areas, view) for s in specs)
    return RuleSet(queries, rules, budgets, tuple(s.priority for s in specs), areas)


def span_rule(spec: EventSpec, query: EventQuery, rates: Rates = SIMILARITY_STRAYS_PER_HOUR) -> SpanRule:
    """Return the configured rule; what is not configured is the default of the event's main modality."""
    default = DEFAULT_RULES[MODALITIES[int(query.prior.argmax())]]
    if query.objects and all(objects and objects.frames != "both" for objects in query.objects):
        default = ABSENT_RULE if any(objects and objects.absent for objects in query.objects) else OBJECTS_RULE
    enter = default.enter
    if spec.threshold is not None:
        enter = spec.threshold
    elif spec.first_stage_per_hour is not None:
        enter = threshold_for_budget(spec.first_stage_per_hour, rates)
    return SpanRule(
        enter=enter,
        exit=enter * EXIT_RATIO,
        min_duration_s=default.min_duration_s if spec.min_duration_s is None else spec.min_duration_s,
        merge_gap_s=default.merge_gap_s if spec.merge_gap_s is None else spec.merge_gap_s,
    )
