"""Alerts: where messages about events go, and when."""

import functools
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Discriminator, Field, PlainValidator, SecretStr, Tag, WithJsonSchema

from daemon.config.base import Section
from daemon.config.target_urls import AppriseUrl, MqttUrl, PublicUrl, TargetUrl, WebhookUrl, signing_secret
from daemon.config.types import Name, NameList
from daemon.config.units import Duration, Priority, QuietTimes

DAY_S = 86_400.0


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value)
    except (ValueError, TypeError, OSError, KeyError):
        raise ValueError("not a time zone; write one like Europe/Berlin or UTC") from None


TimeZone = Annotated[ZoneInfo, PlainValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})]
"""A time zone by its name in the database of time zones."""

Secret = Annotated[
    SecretStr,
    BeforeValidator(signing_secret),
    WithJsonSchema({"type": "string", "minLength": 16, "maxLength": 500, "format": "password", "writeOnly": True}),
]


class AlertTiming(Section):
    """When messages are sent. None: as the more general setting says."""

    cooldown: Duration | None = Field(
        default=None,
        description="After an alert was delivered, further ones of the same event on the same camera are suppressed "
        "for this long. Default: 60s.",
    )
    quiet: QuietTimes | None = Field(
        default=None,
        description='Times of day without alerts, like "22:00-07:00", or a list of such times. `[]`: none.',
    )
    group: Duration | None = Field(
        default=None,
        description="Wait this long for other cameras that see the same event, and send one message for all. "
        "Default: 0s, every camera at once.",
    )
    digest: Duration | None = Field(
        default=None, description="Collect alerts, and send one message with all of them after this time. Default: 0s."
    )
    min_priority: Priority | None = Field(
        default=None, description="Events with a lower priority are not alerted. Default: 0."
    )


class AlertRule(AlertTiming):
    """When and to which targets messages are sent."""

    to: NameList | None = Field(
        default=None, description="Names of targets; `[]`: no alerts. Default: all targets, as far as they want it."
    )


class TargetOptions(AlertTiming):
    """What every target has."""

    cameras: NameList | None = Field(
        default=None, description="Only events of these cameras (uploads: the upload folder). Default: all."
    )
    events: NameList | None = Field(default=None, description="Only these events. Default: all.")
    pictures: bool = Field(default=True, description="Send the snapshot with the message.")
    clips: bool = Field(default=True, description="Send a second message with the clip once there is one.")


class AppriseTarget(TargetOptions):
    """A service that apprise knows: ntfy, Telegram, e-mail and some 130 others."""

    apprise: AppriseUrl = Field(description="The service's URL, as https://appriseit.com describes it.")


class WebhookTarget(TargetOptions):
    """An HTTP server that receives JSON by POST."""

    webhook: WebhookUrl = Field(description="http:// or https:// URL.")
    secret: Secret | None = Field(
        default=None,
        description="Key of the signature by which the receiver knows that a message is from here, as Standard "
        'Webhooks defines it: "whsec_" and 24 to 64 bytes in Base64, or any text of at least 16 characters.',
    )


class MqttTarget(TargetOptions):
    """An MQTT broker. Follows every event from beginning to end; cooldown, quiet, group and digest do not apply."""

    mqtt: MqttUrl = Field(description="mqtt:// or mqtts:// URL of the broker, with user and password if needed.")
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}$")] = Field(
        default="watchword", description="Prefix of all topics; another one for each daemon of a broker."
    )
    discovery: Literal["home_assistant"] | None = Field(
        default=None, description="home_assistant: announce a binary sensor and an image per camera and event."
    )


KINDS = ("apprise", "webhook", "mqtt")


def _kind(value: Any) -> str:
    """Return the tag of a value; no tag is the name of a key, for errors name keys and leave out tags."""
    if isinstance(value, str | TargetUrl):
        return "a url"
    has = value.__contains__ if isinstance(value, dict) else functools.partial(hasattr, value)
    return f"an {next(filter(has, KINDS), KINDS[0])} target"


def _as_object(value: Any) -> Any:
    return {"apprise": value} if isinstance(value, str) else value


Target = Annotated[
    Annotated[
        AppriseTarget, BeforeValidator(_as_object), WithJsonSchema({"type": "string", "minLength": 4}), Tag("a url")
    ]
    | Annotated[AppriseTarget, Tag("an apprise target")]
    | Annotated[WebhookTarget, Tag("an webhook target")]
    | Annotated[MqttTarget, Tag("an mqtt target")],
    Discriminator(_kind),
]
"""A URL for apprise, or an object with one of ``apprise``, ``webhook`` and ``mqtt``."""

AnyTarget = AppriseTarget | WebhookTarget | MqttTarget


class AlertsConfig(AlertRule):
    """Messages about events, and the targets that they go to."""

    targets: Annotated[dict[Name, Target], Field(max_length=100)] = Field(
        default={}, description="Targets by name: where messages go. Without a target nothing is sent."
    )
    public_url: PublicUrl | None = Field(
        default=None,
        description="URL at which people reach the page of this daemon. Messages then link to the event, and have a "
        "link that mutes it for an hour.",
    )
    time_zone: TimeZone | None = Field(
        default=None, description="Time zone of quiet times and of times in messages. Default: that of this machine."
    )
    retry_for: Duration = Field(
        default=DAY_S,
        description="How long delivery is retried, counted from the event. After that the alert is a dead letter.",
        json_schema_extra={"default": "1d"},
    )

    def secrets(self) -> frozenset[str]:
        """Return every text that logs must mask."""
        found: set[str] = set()
        for target in self.targets.values():
            found.update(address(target).secrets())
            if isinstance(target, WebhookTarget) and target.secret is not None:
                found.add(target.secret.get_secret_value())
        return frozenset(found)


def address(target: AnyTarget) -> TargetUrl:
    """Return the URL of a target."""
    match target:
        case AppriseTarget():
            return target.apprise
        case WebhookTarget():
            return target.webhook
        case _:
            return target.mqtt
