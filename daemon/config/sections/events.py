"""Events to detect, with their decision rules."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag

from daemon.config.base import Section
from daemon.config.sections.alerts import AlertRule
from daemon.config.sections.verifier import Language
from daemon.config.types import Contrasts, Descriptions, ZoneNames
from daemon.config.units import Duration, Priority, Rate
from daemon.config.when import WhenText
from workers.types import EventSpec, Verify, VerifyFallback, VerifyPolicy, Zone

Modality = Literal["vision", "speech", "sound"]
_T = TypeVar("_T")


def _distinct(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("contains a value twice")
    return values


Modalities = Annotated[tuple[Modality, ...], Field(min_length=1, max_length=3), AfterValidator(_distinct)]


LOOSEN = 4.0  # a verifier sees so many times the false alerts that the user shall see


class VerifyConfig(Section):
    """What a verifier's verdict does to alerts."""

    policy: VerifyPolicy = Field(
        description="hold: alerts wait for the verdict, and a rejected event is not alerted; label: events are alerted "
        "at once, the verdict follows; only_confirmed: only what is confirmed is alerted."
    )
    fallback: VerifyFallback | None = Field(
        default=None,
        description="What happens to the alert without a verdict: when the verifier does not respond, refuses, or its "
        "budget is spent. Default: alert; with only_confirmed suppress.",
    )
    loosen: Annotated[float, Field(ge=1, le=100)] = Field(
        default=LOOSEN,
        description="Factor by which max_false_alerts is raised before the verifier decides, as it is meant for what "
        "you see. Has no effect with label, or with a threshold.",
    )

    describe: Descriptions | None = Field(
        default=None,
        description="What the verifier judges, where the encoder does not know it: the event is `a person`, and the "
        "verifier says whether `a person climbs over the fence`. Default: the event's own description.",
    )

    def spec(self) -> Verify:
        """Return what the runtime needs."""
        fallback = self.fallback or ("suppress" if self.policy == "only_confirmed" else "alert")
        loosen = 1.0 if self.policy == "label" else self.loosen
        return Verify(self.policy, fallback, loosen, self.describe or ())


def _verify_form(value: Any) -> str:
    return "settings" if isinstance(value, dict | VerifyConfig) else "policy"


AnyVerify = Annotated[
    Annotated[VerifyPolicy, Tag("policy")] | Annotated[VerifyConfig, Tag("settings")], Discriminator(_verify_form)
]
"""A policy, or a policy with its settings."""


class EventRule(Section):
    """Settings that a camera may override. None: the value of the event, or the program's default."""

    unlike: Contrasts | None = Field(
        default=None, description="Contrasts: descriptions of what must not be taken for the event."
    )
    zone: Annotated[ZoneNames, AfterValidator(_distinct)] | None = Field(
        default=None,
        description="Zones of its cameras: the event is looked for in these areas only, and only on cameras that have "
        "one of them. Default: the whole frame.",
    )
    modalities: Modalities | None = Field(
        default=None,
        description="vision (frames), speech (transcripts), sound (sound events). Default: derived from the wording.",
    )
    max_false_alerts: Rate | None = Field(
        default=None,
        description='Tolerated false-alert rate, like "1/day". The threshold is derived from it. Excludes threshold.',
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Lowest probability that counts as a detection. Excludes max_false_alerts.",
    )
    min_duration: Duration | None = Field(default=None, description="Shorter events are not reported.")
    merge_gap: Duration | None = Field(
        default=None, description="Occurrences that are closer together than this are merged into one event."
    )
    verify: AnyVerify | None = Field(
        default=None,
        description="What a verifier's verdict does to alerts: hold (they wait for it), label (it follows them), "
        "only_confirmed (only confirmed events are alerted); or a mapping. Default: the event is not verified.",
    )
    language: Language | None = Field(
        default=None, description="Language of a verifier's captions of it. Default: models.verifier.language."
    )
    priority: Priority | None = Field(
        default=None,
        description="0 to 10, default 5. Published with the event. Under overload, lower priorities are decided later.",
    )
    alert: AlertRule | None = Field(
        default=None, description="To whom and when this event is alerted. Default: as `alerts` says."
    )


class EventConfig(EventRule):
    """One event."""

    describe: Descriptions = Field(
        description="The event in plain words. Several wordings make detection more reliable."
    )
    enabled: bool = Field(default=True, description="False: the event is kept here, and not looked for.")


class RuleOverTime(Section):
    """An event that is made of other events."""

    when: WhenText = Field(
        description="Which other events, in which order and time: `person then dog within 60s`. An event of a certain "
        "camera is written CAMERA.EVENT; without a camera all events are looked for on the same camera."
    )
    enabled: bool = Field(default=True, description="False: the event is kept here, and not looked for.")
    priority: Priority | None = Field(default=None, description="0 to 10, default 5. Published with the event.")
    alert: AlertRule | None = Field(
        default=None, description="To whom and when this event is alerted. Default: as `alerts` says."
    )


def _kind(value: Any) -> str:
    """Return the tag of a value; no tag is the name of a key, for errors name keys and leave out tags."""
    made = "when" in value if isinstance(value, dict) else isinstance(value, RuleOverTime)
    return "a rule over time" if made else "a described event"


AnyEvent = Annotated[
    Annotated[EventConfig, Tag("a described event")] | Annotated[RuleOverTime, Tag("a rule over time")],
    Discriminator(_kind),
]
"""An event that is described, or one that is made of others."""


class EventOverride(EventRule):
    """Changes of an event on one camera."""

    describe: Descriptions | None = Field(default=None, description="Replaces the description on this camera.")


def resolve(name: str, event: EventConfig, override: EventOverride | None, zones: tuple[Zone, ...] = ()) -> EventSpec:
    """Return an event as one camera detects it, in ``zones`` of it, or in the whole frame.

    An override's threshold replaces a budget, and vice versa.
    """
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
        priority=values.get("priority", 5),
        zones=zones,
        verify=_verify(values.get("verify")),
    )


def _verify(value: VerifyPolicy | VerifyConfig | None) -> Verify | None:
    settings = VerifyConfig(policy=value) if isinstance(value, str) else value
    return settings.spec() if settings else None


def _given(rule: EventRule) -> dict[str, Any]:
    return {k: v for k in type(rule).model_fields if (v := getattr(rule, k)) is not None}
