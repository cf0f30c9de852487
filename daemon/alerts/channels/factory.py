"""From the configuration of a target to its channel."""

import os
from collections.abc import Iterable
from typing import Any

from daemon.alerts.channels.base import Channel
from daemon.alerts.store.retained import RetainedTopics
from daemon.alerts.store.session import Session
from daemon.config import Config
from daemon.config.over_time import rules_of_cameras, rules_of_files
from daemon.config.sections.alerts import AppriseTarget, WebhookTarget
from daemon.config.sections.cameras import UPLOADS
from workers.clock import Clock

Announcement = tuple[str, dict[str, Any]]


def build_channel(config: Config, name: str, clock: Clock, session: Session | None) -> Channel:
    """Return the channel of a target; ``session`` None: for one message only, beside the daemon's."""
    match config.alerts.targets[name]:
        case AppriseTarget(apprise=url):
            from daemon.alerts.channels.apprise import AppriseChannel  # loads what only such targets need

            return AppriseChannel(url)
        case WebhookTarget(webhook=url, secret=secret):
            from daemon.alerts.channels.webhook import WebhookChannel

            return WebhookChannel(url, secret.get_secret_value() if secret else None, clock)
        case target:
            from daemon.alerts.channels.home_assistant import announcements
            from daemon.alerts.channels.mqtt import MqttChannel

            def announce() -> Iterable[Announcement]:
                """Return the announcements to Home Assistant; none without discovery."""
                if target.discovery is None:
                    return ()
                return announcements(target.topic, watched_pairs(config, name), config.alerts.public_url)

            client = f"watchword-{target.topic.replace('/', '-')}-{name}"
            if session is None:
                return MqttChannel(target.mqtt, target.topic, f"{client}-test-{os.getpid()}")
            channel = MqttChannel(target.mqtt, target.topic, client, announce, RetainedTopics(session, name))
            channel.start()
            return channel


def watched_pairs(config: Config, name: str) -> list[tuple[str, str]]:
    """Return the cameras and events of which a target wants to know."""
    from daemon.alerts.rules import Rules

    rules, made = Rules(config), [*rules_of_cameras(config)]
    pairs = [(camera, spec.name) for camera in config.cameras for spec in config.event_specs(camera)]
    if config.uploads:
        pairs += [(UPLOADS, spec.name) for spec in config.event_specs()]
        made += rules_of_files(config, UPLOADS)
    pairs += [(rule.camera, rule.name) for rule in made]
    return [pair for pair in pairs if any(route.target == name for route in rules.routes(*pair))]
