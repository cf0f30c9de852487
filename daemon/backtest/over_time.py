"""A backtest of a rule over time: what it would have made of what its parts would have reported.

Its parts are tried as described events are, on their cameras. Absence is concluded only from time that can be judged
without a gap longer than a stall, as live.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alignment.temporal.expressions import Ref, refs
from alignment.temporal.replay import replayed
from alignment.temporal.rule import TemporalRule
from alignment.temporal.types import Occurrence, Part, Progress
from daemon.backtest.request import BacktestError, trial_of
from daemon.backtest.run import BacktestModels, OnProgress, backtest
from daemon.backtest.types import CameraResult, Period
from daemon.config import Config
from daemon.config.over_time import rules_of_cameras
from workers.index.reader import IndexReader


@dataclass(frozen=True, slots=True)
class Made:
    """One event that a rule would have made, by the id that it would have had."""

    rule: TemporalRule
    occurrence: Occurrence

    @property
    def id(self) -> str:
        """Return the event's id."""
        return self.rule.id_of(self.occurrence.key)


def backtest_over_time(
    event: str,
    config: Config,
    index: IndexReader,
    models: BacktestModels,
    period: Period,
    camera: str | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[Made, ...]:
    """Return what a rule over time would have found on live cameras; ``camera``: only as it belongs to this one.

    Raise ``BacktestError`` where nothing is stored of a camera that it names.
    """
    rules = [rule for rule in rules_of_cameras(config) if rule.name == event and camera in (None, rule.camera)]
    if not rules:
        text = f"{event!r} belongs to no camera" + (f" {camera!r}" if camera else "")
        raise BacktestError(text, "see `watchword check`: it says to which cameras a rule over time belongs")
    stored, results = index.cameras(), dict[Ref, CameraResult]()
    for ref in dict.fromkeys(ref for rule in rules for ref in refs(rule.expression)):
        trial = trial_of(ref.event, config, stored, period, ref.camera)
        (results[ref],) = backtest(trial, index, models, on_progress).cameras
    stalls = {name: one.stall_timeout for name, one in config.cameras.items()}
    found = [Made(rule, one) for rule in rules for one in made_of(rule, results, period, stalls)]
    return tuple(sorted(found, key=lambda one: (one.occurrence.onset, one.id)))


def made_of(
    rule: TemporalRule, results: Mapping[Ref, CameraResult], period: Period, bridged_s: Mapping[str, float]
) -> list[Occurrence]:
    """Return what a rule finds in the hits of its parts. ``bridged_s``: by camera the longest gap that is none."""
    parts, watched = [], []
    for ref in dict.fromkeys(refs(rule.expression)):
        result = results[ref]
        hits = [hit for hit in result.hits if hit.live]
        parts += [Part(hit.id, ref, hit.start, hit.end, over_budget=hit.over_budget) for hit in hits]
        gaps = [(one.start, one.end) for one in result.unjudged if one.end - one.start > bridged_s[str(ref.camera)]]
        watched += [Progress(ref, since, until) for since, until in _between(gaps, period)]
    return replayed(rule.expression, parts, watched)


def _between(gaps: Sequence[tuple[float, float]], period: Period) -> Iterator[tuple[float, float]]:
    """Yield the times of a period that lie in no gap."""
    since = period.since
    for start, end in sorted(gaps):
        if start > since:
            yield since, min(start, period.until)
        since = max(since, end)
    if since < period.until:
        yield since, period.until


def made_document(found: Sequence[Made], event: str, period: Period) -> dict[str, object]:
    """Return what a rule over time would have made as plain data; times are Unix seconds."""
    return {
        "event": event,
        "since": period.since,
        "until": period.until,
        "hits": [_hit(one) for one in found],
        "hits_per_day": round(len(found) / period.days, 4),
    }


def _hit(one: Made) -> dict[str, object]:
    found = one.occurrence
    parts = [
        {
            "id": p.id,
            "camera": p.source.camera,
            "event": p.source.event,
            "start": round(p.start, 3),
            "end": round(p.end, 3),
        }
        for p in found.parts
    ]
    times = {"start": round(found.start, 3), "end": round(found.end, 3)}
    return {"id": one.id, "camera": one.rule.camera, **times, "over_budget": found.over_budget, "parts": parts}
