"""MQTT discovery of Home Assistant: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.

Each event of each camera is a binary sensor, which is on while the event lasts, and an image, the last snapshot.
"""

from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

ON, OFF = "ON", "OFF"
ONLINE, OFFLINE = "online", "offline"
PREFIX = "homeassistant"
BIRTH_TOPIC = f"{PREFIX}/status"  # Home Assistant says there that it has started


def announcements(
    prefix: str, pairs: Iterable[tuple[str, str]], public_url: str | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield topic and payload of what Home Assistant is to know of every camera and event."""
    version = metadata.version("watchword")
    node = prefix.replace("/", "_")
    device = {
        "identifiers": [node],
        "name": "Watchword" if prefix == "watchword" else f"Watchword {prefix}",
        "manufacturer": "Watchword",
        "model": "Watchword",
        "sw_version": version,
    }
    device |= {"configuration_url": public_url} if public_url else {}
    for camera, event in pairs:
        base, identity = f"{prefix}/{camera}/{event}", f"{node}_{camera}_{event}"
        shared = {
            "device": device,
            "origin": {"name": "Watchword", "sw_version": version},
            "availability_topic": f"{prefix}/status",
            "json_attributes_topic": f"{base}/attributes",
        }
        yield (
            f"{PREFIX}/binary_sensor/{identity}/config",
            {
                **shared,
                "name": f"{camera} {event}",
                "unique_id": identity,
                "state_topic": f"{base}/state",
                "payload_on": ON,
                "payload_off": OFF,
            },
        )
        yield (
            f"{PREFIX}/image/{identity}/config",
            {
                **shared,
                "name": f"{camera} {event} snapshot",
                "unique_id": f"{identity}_snapshot",
                "image_topic": f"{base}/snapshot",
                "content_type": "image/jpeg",
            },
        )
