"""Export of the events of one file as JSON, CSV (RFC 4180) and WebVTT (W3C), written atomically.

Pure functions from events to text; times are seconds from the start of the file.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from alignment.errors import ExitCode, WatchwordError
from alignment.file_io import replacing
from alignment.types import MODALITIES
from workers.events.event import Event
from workers.types import Utterance

Format = Literal["json", "csv", "vtt"]
FORMATS: tuple[Format, ...] = get_args(Format)
EVENT_FIELDS = ("id", "event", "description", "start", "end", "score", "modalities", "evidence")
CSV_HEADER = (
    *("file", "id", "event", "description", "start", "end", "score"),
    *MODALITIES,
    *("over_budget", "words", "snapshot", "explanation", "clip", "caption"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet reads a text that begins so as a formula
_SPOKEN = 0.5  # share of speech from which an event is about what was said


class ExportError(WatchwordError):
    """A result file or its folder cannot be written."""

    code = "output_unwritable"
    exit_code = ExitCode.USAGE
    remedy = "check the rights and the free space, or choose another folder"


@dataclass(frozen=True, slots=True)
class Tagged:
    """One file and what was found in it, or why it could not be read.

    ``transcript``: all that was said, where an event listens to speech. ``description``: what a verifier wrote of it.
    """

    file: str  # as given on the command line; of an upload, its path below the folder
    duration_s: float
    events: tuple[Event, ...]
    warnings: tuple[str, ...] = ()
    transcript: tuple[Utterance, ...] = ()
    error: WatchwordError | None = None
    description: dict[str, Any] | None = None


def json_document(tagged: Tagged) -> dict[str, Any]:
    """Return the document of one file; ``model`` is null if there is no event, ``error`` if the file was read."""
    events, error = _in_time(tagged.events), tagged.error
    return {
        "schema": 1,
        "file": tagged.file,
        "duration": round(tagged.duration_s, 3),
        "model": next((event.model for event in events if event.model), None),
        "error": {"code": error.code, "message": error.message, "hint": error.hint} if error else None,
        "warnings": list(tagged.warnings),
        "transcript": [_utterance_document(u) for u in tagged.transcript],
        "events": [_event_document(e) for e in events],
        **({"description": tagged.description} if tagged.description else {}),
    }


def json_text(tagged: Tagged) -> str:
    """Return the document of one file as indented JSON."""
    return json.dumps(json_document(tagged), ensure_ascii=False, indent=2) + "\n"


def json_line(tagged: Tagged) -> str:
    """Return the document of one file as one line (JSON Lines)."""
    return json.dumps(json_document(tagged), ensure_ascii=False) + "\n"


def csv_text(tagged: Tagged, header: bool = True) -> str:
    """Return one record per event, with CRLF line ends; the columns are ``CSV_HEADER``.

    A text that a spreadsheet would calculate gets an apostrophe in front.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if header:
        writer.writerow(CSV_HEADER)
    for event in _in_time(tagged.events):
        evidence = event.evidence
        row = _event_document(event) | {m: event.modalities.get(m, 0) for m in MODALITIES}
        row |= {"file": tagged.file, "description": " | ".join(event.description), "words": _said(event)}
        row |= {"snapshot": evidence.snapshot, "explanation": evidence.explanation, "clip": evidence.clip}
        row["caption"] = event.caption.text if event.caption else None
        row["over_budget"] = "yes" if event.over_budget else "no"
        writer.writerow([_cell(row[column]) for column in CSV_HEADER])
    return out.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def vtt_text(tagged: Tagged) -> str:
    """Return a WebVTT file with one cue per event, sorted by start; the cue's identifier is the event's id.

    A cue shows the description and the score, what was said if the event is about that, and its caption.
    """
    blocks = ["WEBVTT", f"NOTE\nEvents that Watchword found in {vtt_line(tagged.file)}"]
    for event in _in_time(tagged.events):
        start_ms = _milliseconds(event.start)
        end_ms = max(_milliseconds(event.end), start_ms + 1)  # a cue must end after its start
        times = f"{vtt_time(start_ms)} --> {vtt_time(end_ms)}"
        text = f"{vtt_line(' / '.join(event.description))} ({100 * event.score:.0f} %)"
        if event.modalities.get("speech", 0) >= _SPOKEN and (said := vtt_line(_said(event))):
            text += f"\n“{said}”"
        if event.caption and (caption := vtt_line(event.caption.text)):
            text += f"\n{caption}"
        blocks.append(f"{vtt_line(event.id)}\n{times}\n{text}")
    return "\n\n".join(blocks) + "\n"


def vtt_time(milliseconds: int) -> str:
    """Return HH:MM:SS.mmm; hours take as many digits as they need."""
    seconds, ms = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def render(tagged: Tagged, form: Format) -> str:
    """Return the whole file's text in one of ``FORMATS``."""
    return {"json": json_text, "csv": csv_text, "vtt": vtt_text}[form](tagged)


def make_writable(folder: Path, hint: str) -> None:
    """Create a folder and check that it is writable, before long work; raise ``ExportError`` with ``hint``."""
    probe = folder / ".watchword.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise ExportError(f"cannot write to {folder}: {e.strerror or e}", hint) from e


def write_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text atomically: a reader sees the old or the new file; raise ``ExportError``.

    CSV begins with a byte-order mark: without it Excel takes the text for an old code page.
    """
    encoding = "utf-8-sig" if path.suffix == ".csv" else "utf-8"
    try:
        with replacing(path) as part:
            part.write_text(text, encoding=encoding, errors="replace", newline="")
    except OSError as e:
        raise ExportError(f"cannot write {path}: {e.strerror or e}", "free the space or choose another place") from e


def _event_document(event: Event) -> dict[str, Any]:
    document = event.to_document()
    times = {"start": round(event.start, 3), "end": round(event.end, 3), "score": round(event.score, 4)}
    more = {"parts": document["parts"]} if event.parts else {}
    more |= {"caption": document["caption"]} if event.caption else {}
    return {name: document[name] for name in EVENT_FIELDS} | times | {"over_budget": event.over_budget} | more


def _utterance_document(utterance: Utterance) -> dict[str, Any]:
    times = {"start": round(utterance.start_s, 3), "end": round(utterance.end_s, 3)}
    return times | {"text": utterance.text.strip(), "confidence": round(utterance.confidence, 3)}


def _said(event: Event) -> str:
    return " ".join(word.text.strip() for word in event.evidence.words)


def _in_time(events: Iterable[Event]) -> Sequence[Event]:
    return sorted(events, key=lambda e: (e.start, e.end, e.event, e.id))


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def vtt_line(text: str) -> str:
    """Return text that cannot end a line, a cue or a comment, nor be read as markup or an arrow."""
    line = " ".join(text.replace("\0", "\ufffd").split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
