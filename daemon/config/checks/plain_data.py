"""Reading of plain data that nobody has validated yet: any value may have any type."""

from collections.abc import Mapping
from typing import Any

from daemon.config.document import KeyPath

Finding = tuple[KeyPath, str, str]
"""Path, message and hint."""


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and for anything else an empty one."""
    return value if isinstance(value, dict) else {}


def chosen(camera: Mapping[str, Any]) -> list[tuple[str | int, Any]] | None:
    """Return the events of a camera, each with its last path step; None: all events."""
    events = camera.get("events")
    if isinstance(events, dict):
        return [(name, name) for name in events]
    return list(enumerate(events)) if isinstance(events, list) else None


def described(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the events that are not made of others."""
    return {name: event for name, event in mapping(data.get("events")).items() if "when" not in mapping(event)}
