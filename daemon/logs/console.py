"""Log lines for people: ``12:58:37 door · dog began (86 %)``. Local time; one line each."""

from datetime import datetime
from typing import Any

from structlog.typing import EventDict

from workers.events.timestamps import clock

TOLD = {"new": "began", "update": "goes on", "end": "ended"}  # an event's type
OWN = {"timestamp", "level", "logger", "event", "camera", "exception", "stack"}  # have places of their own
OF_EVENTS = {"type", "event_name", "id", "live", "file", "start", "end", "score", "over_budget"}


def console_line(_logger: Any, _method: str, entry: EventDict) -> str:
    """Return a log entry as one line, and its traceback below it. Texts must be escaped already."""
    about_event = entry["event"] == "event" and {"type", "event_name"} <= entry.keys()
    text = _told(entry) if about_event else str(entry["event"])
    rest = [f"{k}={_value(v)}" for k, v in entry.items() if k not in OWN and not (about_event and k in OF_EVENTS)]
    level = "" if entry.get("level", "info") == "info" else f"{entry['level']}: "
    camera = f"{entry['camera']} · " if entry.get("camera") else ""
    below = [str(entry[name]) for name in ("stack", "exception") if entry.get(name)]
    return "\n".join([" ".join([_time(entry), level + camera + text, *rest]), *below])


def _told(entry: EventDict) -> str:
    """Return what happened to an event; of a file also where, of an upload in which."""
    live, ended = entry["live"], entry["type"] == "end"
    when = "" if live else f" at {clock(entry['end' if ended else 'start'], live)}"
    lasted = f" after {entry['end'] - entry['start']:.0f} s" if ended and live else ""
    over = ", over budget" if entry.get("over_budget") else ""
    file = f"{entry['file']} · " if entry.get("file") else ""
    return f"{file}{entry['event_name']} {TOLD[entry['type']]}{when}{lasted} ({100 * entry['score']:.0f} %{over})"


def _time(entry: EventDict) -> str:
    return f"{datetime.fromisoformat(entry['timestamp']).astimezone():%H:%M:%S}"


def _value(value: Any) -> str:
    text = str(value)
    return repr(text) if isinstance(value, str) and (not text or set(text) & set(" ='\"")) else text
