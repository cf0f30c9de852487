"""The fields of a stream entry: the document of an event, and copies of the fields by which readers filter."""

from collections.abc import Mapping

from workers.events.event import Event

Value = str | int | float


def entry_fields(event: Event) -> dict[str, Value]:
    """Return the fields of the entry that publishes this event."""
    return {"schema": event.schema_version, **_head(event), "body": event.to_json()}


def read_event(fields: Mapping[str, str]) -> Event | None:
    """Return the event of an entry; None if the body is no valid event, or if another field differs from the body.

    Other programs may add entries to the stream; readers skip those that are no events.
    """
    try:
        event = Event.from_json(fields["body"])
        agrees = all(type(value)(fields[name]) == value for name, value in _head(event).items())
    except (KeyError, ValueError):
        return None
    return event if agrees else None


def _head(event: Event) -> dict[str, Value]:
    return {
        "type": event.type,
        "id": event.id,
        "revision": event.revision,
        "camera": event.camera,
        "event": event.event,
        "start": event.start,
        "end": event.end,
        "score": event.score,
    }
