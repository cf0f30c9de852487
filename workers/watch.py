"""The events of one camera, embedded, each with the rule that decides it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alignment.budget import Budget
from alignment.calibration import SIMILARITY_STRAYS_PER_HOUR, Rates, threshold_for_budget
from alignment.spans import SpanRule
from alignment.types import MODALITIES, EventQuery
from workers.services import EncoderClient
from workers.types import EventSpec

# Chosen on 50 composed streams (seeds 1, 101, 202): F1 is flat from 0.5 to 0.6, strays fall from 2.1 to 1.1 an hour.
DEFAULT_RULES = {
    "vision": SpanRule(enter=0.6, exit=0.42, min_duration_s=2.0),
    "speech": SpanRule(enter=0.6, exit=0.42, min_duration_s=0.3),
    "sound": SpanRule(),
}
EXIT_RATIO = DEFAULT_RULES["vision"].exit / DEFAULT_RULES["vision"].enter


@dataclass(frozen=True, slots=True)
class Watch:
    """Queries and rules, in the order of the events, and the budgets, by event, of those that have one."""

    queries: tuple[EventQuery, ...]
    rules: tuple[SpanRule, ...]
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    priorities: tuple[int, ...] = ()  # of the events; empty: all are equal

    def thresholds(self) -> dict[str, float]:
        """Return the threshold on p by event, for spans that begin now."""
        fixed = {q.event: r.enter for q, r in zip(self.queries, self.rules, strict=True)}
        return fixed | {name: budget.threshold for name, budget in self.budgets.items()}


def build_watch(specs: Sequence[EventSpec], encoder: EncoderClient, rates: Rates = SIMILARITY_STRAYS_PER_HOUR) -> Watch:
    """Embed the events' descriptions and settle their rules; ``rates`` of false alerts are the aligner's."""
    queries = encoder.build_queries(specs)
    stated = {s.name: s.max_false_alerts_per_hour for s in specs if s.threshold is None}
    budgets = {name: Budget(per_hour, rates) for name, per_hour in stated.items() if per_hour is not None}
    rules = tuple(span_rule(s, q, rates) for s, q in zip(specs, queries, strict=True))
    return Watch(queries, rules, budgets, tuple(s.priority for s in specs))


def span_rule(spec: EventSpec, query: EventQuery, rates: Rates = SIMILARITY_STRAYS_PER_HOUR) -> SpanRule:
    """Return what the user asked for, and the defaults of the modality that the event is most about for the rest."""
    default = DEFAULT_RULES[MODALITIES[int(query.prior.argmax())]]
    enter = default.enter
    if spec.threshold is not None:
        enter = spec.threshold
    elif spec.max_false_alerts_per_hour is not None:
        enter = threshold_for_budget(spec.max_false_alerts_per_hour, rates)
    return SpanRule(
        enter=enter,
        exit=enter * EXIT_RATIO,
        min_duration_s=default.min_duration_s if spec.min_duration_s is None else spec.min_duration_s,
        merge_gap_s=default.merge_gap_s if spec.merge_gap_s is None else spec.merge_gap_s,
    )
