"""Which rule is tried, on which cameras, and in which time."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from alignment.errors import ExitCode, WatchwordError
from daemon.backtest.types import Period
from daemon.config import Config
from daemon.config.sections.cameras import UPLOADS
from daemon.config.sections.events import resolve
from daemon.offline.tagging import specs_of_texts
from workers.types import EventSpec

PREVIEW = "preview"  # name of a rule that is not saved yet


class BacktestError(WatchwordError):
    """A backtest that cannot be made as it is asked for."""

    code = "backtest_impossible"
    remedy = "see docs/backtest.md"
    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule by the camera on which it is tried, and the time."""

    specs: dict[str, EventSpec]
    period: Period

    @property
    def spec(self) -> EventSpec:
        """Return the rule of any camera: its name and its words."""
        return next(iter(self.specs.values()))


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall decide instead of what the rule says: a threshold, or a budget an hour. Both None: as it says."""

    threshold: float | None = None
    per_hour: float | None = None

    def of(self, spec: EventSpec) -> EventSpec:
        """Return the rule with this decision."""
        if self.threshold is None and self.per_hour is None:
            return spec
        return replace(spec, threshold=self.threshold, max_false_alerts_per_hour=self.per_hour)


def trial_of(
    event: str,
    config: Config,
    stored: Collection[str],
    period: Period,
    camera: str | None = None,
    decision: Decision = Decision(),
) -> Trial:
    """Return the trial of an event of the configuration, by name, or else of a description in plain words.

    An event is tried where the configuration looks for it, words on every camera that is ``stored``. Raise
    ``BacktestError``.
    """
    if camera is not None and camera not in stored:
        known = ", ".join(sorted(stored)) or "none"
        raise BacktestError(f"nothing is stored of camera {camera!r}", f"name a camera that is stored: {known}")
    names = [camera] if camera is not None else sorted(stored)
    if event in config.over_time:
        raise BacktestError(f"event {event!r} is a rule over time", "try the events that it is made of, one by one")
    if event in config.described:
        specs = dict(_configured(event, config, names))
        if not specs and event == PREVIEW:  # not in the list of any camera yet
            specs = dict.fromkeys(names, resolve(event, config.described[event], None))
        if names and not specs:
            hint = "name a camera that lists it, or try its description in words"
            raise BacktestError(f"event {event!r} is not looked for on a camera of which anything is stored", hint)
    else:
        (spec,) = specs_of_texts([event], tuple(config.events))
        specs = dict.fromkeys(names, spec)
    if not specs:
        hint = "the index fills while `watchword run` watches cameras; `index: {enabled: true}` turns it on"
        raise BacktestError("nothing is stored yet", hint)
    return Trial({name: decision.of(spec) for name, spec in specs.items()}, period)


def _configured(event: str, config: Config, cameras: Sequence[str]) -> Iterator[tuple[str, EventSpec]]:
    """Yield the event as each camera looks for it."""
    for name in cameras:
        if name in config.cameras:
            found = config.event_specs(name)
        elif name == UPLOADS and config.uploads:
            found = config.event_specs()
        else:
            continue
        yield from ((name, spec) for spec in found if spec.name == event)
