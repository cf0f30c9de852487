"""Which targets an event goes to and under which conditions: the settings, from the most general to the most special.

The order is: the program's defaults, ``alerts``, the target, the camera, the event, the event on that camera. What is
more special counts more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from daemon.config import Config
from daemon.config.sections.alerts import AlertRule, AlertTiming, AnyTarget, MqttTarget

COOLDOWN_S = 60.0


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one event of one camera to one target. ``follows``: the target wants every beginning and end."""

    target: str
    cooldown_s: float = COOLDOWN_S
    quiet: tuple[tuple[int, int], ...] = ()
    group_s: float = 0.0
    digest_s: float = 0.0
    min_priority: int = 0
    clips: bool = False
    follows: bool = False


class Rules:
    """The settings of alerts of one configuration."""

    def __init__(self, config: Config) -> None:
        self._config, self._alerts = config, config.alerts
        self._routes: dict[tuple[str, str], tuple[Route, ...]] = {}

    @property
    def retry_s(self) -> float:
        """Return how long after an event its delivery is tried."""
        return self._alerts.retry_for

    @property
    def zone(self) -> tzinfo | None:
        """Return the time zone of quiet times and messages; None: that of this machine."""
        return self._alerts.time_zone

    @property
    def has_targets(self) -> bool:
        """Return whether anything can be alerted at all."""
        return bool(self._alerts.targets)

    def routes(self, camera: str, event: str) -> tuple[Route, ...]:
        """Return the ways of an event; none for one that is not configured any more."""
        key = camera, event
        if key not in self._routes:
            self._routes[key] = tuple(self._resolved(camera, event))
        return self._routes[key]

    def cooldown_s(self, target: str, camera: str, event: str) -> float:
        """Return the cooldown of one way, 0 where it does not exist any more."""
        return next((r.cooldown_s for r in self.routes(camera, event) if r.target == target), 0.0)

    def _resolved(self, camera: str, event: str) -> Iterator[Route]:
        special = self._special(camera, event)
        wanted = next((rule.to for rule in reversed((self._alerts, *special)) if rule.to is not None), None)
        for name, target in self._alerts.targets.items():
            if (wanted is None or name in wanted) and _wants(target, camera, event):
                yield _route(name, target, (self._alerts, target, *special))

    def _special(self, camera: str, event: str) -> tuple[AlertRule, ...]:
        """Return the rules of a camera, an event and the event on that camera."""
        seen, known = self._config.cameras.get(camera), self._config.events.get(event)
        override = seen.override(event) if seen else None
        rules = (seen and seen.alert, known and known.alert, override and override.alert)
        return tuple(rule for rule in rules if rule)


def _wants(target: AnyTarget, camera: str, event: str) -> bool:
    return (target.cameras is None or camera in target.cameras) and (target.events is None or event in target.events)


def _route(name: str, target: AnyTarget, rules: tuple[AlertTiming, ...]) -> Route:
    given = {
        key: value for rule in rules for key in AlertTiming.model_fields if (value := getattr(rule, key)) is not None
    }
    min_priority = given.get("min_priority", 0)
    if isinstance(target, MqttTarget):
        return Route(name, 0.0, min_priority=min_priority, follows=True)
    return Route(
        name,
        given.get("cooldown", COOLDOWN_S),
        given.get("quiet", ()),
        given.get("group", 0.0),
        given.get("digest", 0.0),
        min_priority,
        target.clips,
    )


def is_quiet(quiet: tuple[tuple[int, int], ...], unix_s: float, zone: tzinfo | None) -> bool:
    """Return whether a time lies in one of the quiet times of the day, which may pass midnight."""
    local = datetime.fromtimestamp(unix_s, zone)
    minute = 60 * local.hour + local.minute
    return any(first <= minute < last if first < last else minute >= first or minute < last for first, last in quiet)
