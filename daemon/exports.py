"""Events of one file as JSON, CSV (RFC 4180) and WebVTT (W3C), and how they reach the disk.

Pure functions from events (whose ``body`` is as ``event.schema.json`` says) to text; times are seconds from
the start of the file.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from alignment.durable import replacing
from alignment.errors import WatchwordError
from alignment.types import MODALITIES
from workers.types import Event

Format = Literal["json", "csv", "vtt"]
FORMATS: tuple[Format, ...] = get_args(Format)
CSV_HEADER = ("file", "id", "event", "description", "start", "end", "score", *MODALITIES, "evidence")


class ExportError(WatchwordError):
    """A result could not be written."""

    code = "output_unwritable"


@dataclass(frozen=True, slots=True)
class Tagged:
    """One file and the events found in it."""

    file: str  # as it was named
    duration_s: float
    events: tuple[Event, ...]
    warnings: tuple[str, ...] = ()


def json_document(tagged: Tagged) -> dict[str, Any]:
    """Return the document of one file; ``model`` is null where no event tells it."""
    events = _in_time(tagged.events)
    return {
        "schema": 1,
        "file": tagged.file,
        "duration": round(tagged.duration_s, 3),
        "model": events[0].body["model"] if events else None,
        "warnings": list(tagged.warnings),
        "events": [_event_document(e) for e in events],
    }


def json_text(tagged: Tagged) -> str:
    """Return the document of one file, indented for people."""
    return json.dumps(json_document(tagged), ensure_ascii=False, indent=2) + "\n"


def json_line(tagged: Tagged) -> str:
    """Return the document of one file as one line (JSON Lines)."""
    return json.dumps(json_document(tagged), ensure_ascii=False) + "\n"


def csv_text(tagged: Tagged, header: bool = True) -> str:
    """Return one record an event, lines ended by CRLF; the columns are ``CSV_HEADER``, evidence is JSON."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if header:
        writer.writerow(CSV_HEADER)
    for event in _in_time(tagged.events):
        row = _event_document(event)
        row["file"] = tagged.file
        row["description"] = " | ".join(row["description"])
        row["evidence"] = json.dumps(row["evidence"], ensure_ascii=False)
        row |= {m: row["modalities"].get(m, 0) for m in MODALITIES}
        writer.writerow([row[column] for column in CSV_HEADER])
    return out.getvalue()


def vtt_text(tagged: Tagged) -> str:
    """Return a WebVTT file with a cue an event, in order of their starts, named by the event's id."""
    blocks = ["WEBVTT", f"NOTE\nEvents that Watchword found in {_vtt_line(tagged.file)}"]
    for event in _in_time(tagged.events):
        start_ms = _milliseconds(event.start)
        end_ms = max(_milliseconds(event.end), start_ms + 1)  # a cue has to end behind its start
        times = f"{vtt_time(start_ms)} --> {vtt_time(end_ms)}"
        description = " / ".join(event.body["description"])
        text = f"{_vtt_line(event.event)}: {_vtt_line(description)} ({event.score:.2f})"
        blocks.append(f"{_vtt_line(event.id)}\n{times}\n{text}")
    return "\n\n".join(blocks) + "\n"


def vtt_time(milliseconds: int) -> str:
    """Return HH:MM:SS.mmm; hours take as many digits as they need."""
    seconds, ms = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def render(tagged: Tagged, form: Format) -> str:
    """Return the whole file's text in one of ``FORMATS``."""
    return {"json": json_text, "csv": csv_text, "vtt": vtt_text}[form](tagged)


def make_writable(folder: Path, hint: str) -> None:
    """Make a folder and try to write to it; raise ``ExportError`` with ``hint``. Before work, not after hours of it."""
    probe = folder / ".watchword.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise ExportError(f"cannot write to {folder}: {e.strerror or e}", hint) from e


def write_atomic(path: Path, text: str) -> None:
    """Write UTF-8 so that a reader sees the old file or the whole new one; raise ``ExportError``."""
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8", errors="replace", newline="")
    except OSError as e:
        raise ExportError(f"cannot write {path}: {e.strerror or e}", "free the space or choose another place") from e


def _event_document(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "event": event.event,
        "description": event.body["description"],
        "start": round(event.start, 3),
        "end": round(event.end, 3),
        "score": round(event.score, 4),
        "modalities": event.body["modalities"],
        "evidence": event.body["evidence"],
    }


def _in_time(events: Iterable[Event]) -> Sequence[Event]:
    return sorted(events, key=lambda e: (e.start, e.end, e.event, e.id))


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _vtt_line(text: str) -> str:
    """Return text that cannot end a line, a cue or a comment, nor be read as markup or an arrow."""
    line = " ".join(text.replace("\0", "\ufffd").split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
