"""What to look and listen for, with the rule that decides it."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from daemon.config.base import Section
from daemon.config.types import Contrasts, Descriptions
from daemon.config.units import Duration, Priority, Rate
from workers.types import EventSpec

Modality = Literal["vision", "speech", "sound"]
_T = TypeVar("_T")


def _distinct(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names the same thing twice")
    return values


Modalities = Annotated[tuple[Modality, ...], Field(min_length=1, max_length=3), AfterValidator(_distinct)]


class EventRule(Section):
    """The settings that a camera may override; None leaves the choice to the event or the program."""

    unlike: Contrasts | None = Field(default=None, description="Contrasts: what the event must not be taken for.")
    modalities: Modalities | None = Field(
        default=None,
        description="vision (seen), speech (said), sound (heard). Default: what fits the wording.",
    )
    max_false_alerts: Rate | None = Field(
        default=None,
        description='False alerts to put up with, like "1/day"; the threshold follows. Excludes threshold.',
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability from which on the event counts as seen. Excludes max_false_alerts.",
    )
    min_duration: Duration | None = Field(default=None, description="Shorter occurrences are not reported.")
    merge_gap: Duration | None = Field(default=None, description="Occurrences closer than this are one.")
    cooldown: Duration | None = Field(
        default=None,
        description="After a delivered alert, no further one of this camera and event for this long.",
    )
    priority: Priority | None = Field(
        default=None,
        description="0 to 10, default 5; readers find it in the event; under overload the lower are decided later.",
    )


class EventConfig(EventRule):
    """One event."""

    describe: Descriptions = Field(description="The event in plain words; several wordings make it more certain.")


class EventOverride(EventRule):
    """What is different about an event on one camera."""

    describe: Descriptions | None = Field(default=None, description="Other words for the event on this camera.")


def resolve(name: str, event: EventConfig, override: EventOverride | None) -> EventSpec:
    """Return an event as one camera watches for it. A threshold replaces a budget and the other way round."""
    values = _given(event)
    changes = _given(override) if override else {}
    if {"threshold", "max_false_alerts"} & changes.keys():
        values = {k: v for k, v in values.items() if k not in ("threshold", "max_false_alerts")}
    values |= changes
    return EventSpec(
        name=name,
        describe=values["describe"],
        unlike=values.get("unlike", ()),
        modalities=values.get("modalities"),
        threshold=values.get("threshold"),
        max_false_alerts_per_hour=values.get("max_false_alerts"),
        min_duration_s=values.get("min_duration"),
        merge_gap_s=values.get("merge_gap"),
        cooldown_s=values.get("cooldown", 0.0),
        priority=values.get("priority", 5),
    )


def _given(rule: EventRule) -> dict[str, Any]:
    return {k: v for k in type(rule).model_fields if (v := getattr(rule, k)) is not None}
