"""What a backtest may find, seconds before it has decided: the likeliest moments of a search of the same time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from daemon.backtest.deciding.final import is_final
from daemon.backtest.deciding.screen import needs_look
from daemon.backtest.parts import missing_of
from daemon.backtest.types import Period, TriedRule
from daemon.search.aligning import align, best_of
from daemon.search.filters import Filter
from daemon.search.proposing import propose
from workers.decisions.rules import span_rule
from workers.index.shard import Shard
from workers.index.types import StoredFile
from workers.services.aligner_options import build_aligner
from workers.services.clients import AlignerClient
from workers.types import EventSpec

LOOKED_AT = 32  # moments of each kind, by look, objects, sound and speech


@dataclass(frozen=True, slots=True)
class Likely:
    """A moment that reaches the threshold of a rule. Times in stream seconds; ``file``: of an upload or a file."""

    camera: str
    live: bool
    start: float
    end: float
    score: float
    file: StoredFile | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The likeliest moments, in order of time. ``more``: all that were looked at are likely, so there may be more."""

    moments: tuple[Likely, ...]
    more: bool


def worth_estimating(rules: Iterable[TriedRule]) -> bool:
    """Return whether it takes longer than an estimate to decide: always, but by detected objects alone."""
    return not all(is_final(rule, network=True) and not needs_look(rule.query) for rule in rules)


def estimate(
    rules: Iterable[TriedRule], shards: Mapping[str, Sequence[Shard]], period: Period, network: AlignerClient | None
) -> Estimate:
    """Return the likeliest moments of all cameras, each scored by the aligner in the window around it.

    Frames are seen whole, and by threshold only: without a zone, a budget, a shortest duration and what clicks taught.
    ``shards`` by camera.
    """
    alike = defaultdict[EventSpec, list[TriedRule]](list)
    for rule in rules:
        alike[rule.spec].append(rule)
    found = [_likely(some, shards, period, network) for some in alike.values()]
    moments = sorted((moment for one in found for moment in one.moments), key=lambda moment: moment.start)
    return Estimate(tuple(moments), any(one.more for one in found))


def _likely(
    rules: Sequence[TriedRule], shards: Mapping[str, Sequence[Shard]], period: Period, network: AlignerClient | None
) -> Estimate:
    """Return the moments of a rule that is the same on several cameras."""
    spec, query = rules[0].spec, rules[0].query
    aligner = build_aligner(rules[0].encoder.calibration, network)
    usable = [[s for s in shards[rule.camera] if missing_of(s.info.tape, rule) is None] for rule in rules]
    proposals = propose(usable, query, query.words, Filter(period.since, period.until), LOOKED_AT)
    enter = span_rule(spec, query, aligner.rates).enter
    candidates = align(proposals, query, aligner)
    likely = [one for one in best_of(candidates) if one.score >= enter]
    more = len(candidates) >= LOOKED_AT and min(one.score for one in candidates) >= enter
    tapes = [one.proposal.shard.info.tape for one in likely]
    moments = (
        Likely(tape.camera, tape.live, one.start, one.end, one.score, tape.file)
        for one, tape in zip(likely, tapes, strict=True)
    )
    return Estimate(tuple(moments), more)
