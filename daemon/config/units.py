"""Values with units: durations, sizes, false-alert rates, frame rates.

Each parser raises ``ValueError`` with a message for the user; each type has the JSON schema of its written form.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, Field, TypeAdapter, WithJsonSchema

SECONDS = {"ms": 0.001, "s": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "m": 60.0} | {
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86_400.0,
    "day": 86_400.0,
    "w": 604_800.0,
    "week": 604_800.0,
}
PER_HOUR = {"h": 1.0, "hour": 1.0, "d": 1 / 24, "day": 1 / 24, "w": 1 / 168, "week": 1 / 168}
MAX_DURATION_S = 31 * 86_400.0
MAX_KEEP_S = 3653 * 86_400.0
MIN_SIZE, MAX_SIZE = 10**6, 10**15
MAX_FPS = 60.0

_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*(?:(second|minute|hour|day|week)s?|(ms|s|min|m|h|d|w))?", re.ASCII)
_QUIET = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)
_QUIET_HINT = 'not a time of day; write "22:00-07:00", with quotes'
_SIZE = re.compile(r"\d{1,6}(?:\.\d{1,6})?\s*[MGTmgt][Ii]?[Bb]", re.ASCII)
_BYTES = TypeAdapter(ByteSize)
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*/\s*(hour|h|day|d|week|w)", re.ASCII)


def parse_duration(value: object) -> float:
    """Return seconds for ``2s``, ``5 minutes``, ``500ms``, ``1h``, ``1d`` or bare seconds; at most 31 days."""
    seconds = seconds_of(value)
    if seconds is None:
        raise ValueError('not a duration; write a number of seconds or "500ms", "2s", "5 minutes", "1h"')
    if not 0 <= seconds <= MAX_DURATION_S:
        raise ValueError("a duration must be between 0 and 31 days")
    return seconds


def seconds_of(value: object) -> float | None:
    """Return the seconds of a number or of a text with a unit; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(match[1]) * SECONDS[match[2] or match[3] or "s"] if match else None


def parse_keep(value: object) -> float | None:
    """Return seconds for ``14d``, ``12h`` and the like, at most ten years; None for ``forever``."""
    if value == "forever":
        return None
    seconds = seconds_of(value)
    if seconds is None or not 1 <= seconds <= MAX_KEEP_S:
        raise ValueError('not a retention time; write "14d", "12h" (1 second to 10 years) or "forever"')
    return seconds


def parse_size(value: object) -> int:
    """Return bytes for ``500MB``, ``2GB`` or ``1GiB``."""
    whole = isinstance(value, str) and _SIZE.fullmatch(value.strip())  # ByteSize ignores text after the unit
    size = _BYTES.validate_python(value) if whole else 0
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError('not a size; write "500MB", "2GB", "1TB" or "1GiB", at least "1MB"')
    return size


def parse_rate(value: object) -> float:
    """Return events per hour for ``1/day``, ``2/h``, ``3/week``."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError('not a budget; write "1/day", "2/h" or "3/week"')
    rate = float(match[1]) * PER_HOUR[match[2]]
    if rate <= 0:
        raise ValueError("a budget must be above 0; to allow no false alerts, set a threshold instead")
    return rate


def parse_fps(value: object) -> float | Literal["keyframes"]:
    """Return frames per second above 0 and up to 60, or ``keyframes``."""
    if value == "keyframes":
        return "keyframes"
    try:
        fps = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        fps = 0.0
    if not 0 < fps <= MAX_FPS:
        raise ValueError('a frame rate must be a number above 0 and at most 60, or "keyframes"')
    return fps


def parse_quiet(value: object) -> tuple[tuple[int, int], ...]:
    """Return times of day as pairs of minutes after midnight, for ``22:00-07:00`` or a list of such texts."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError(_QUIET_HINT)
    return tuple(_time_span(one) for one in given)


def _time_span(value: object) -> tuple[int, int]:
    if isinstance(value, tuple):  # parsed already
        first, last = value
        return int(first), int(last)
    match = _QUIET.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_QUIET_HINT)
    first, last = (60 * int(match[n]) + int(match[n + 1]) for n in (1, 3))
    if first == last:
        raise ValueError("quiet times that begin and end at the same minute; write 00:00-24:00 for the whole day")
    return first, last


def _positive(value: object) -> float:
    seconds = parse_duration(value)
    if seconds < 0.1:
        raise ValueError("must be at least 100ms")
    return seconds


_DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": MAX_DURATION_S},
        {
            "type": "string",
            "pattern": rf"^\s*{_DURATION.pattern}\s*$",
            "examples": ["500ms", "2s", "5 minutes", "1h"],
        },
    ]
}

Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds, 0 to 31 days."""

Timeout = Annotated[float, BeforeValidator(_positive), WithJsonSchema(_DURATION_SCHEMA)]
"""Seconds, at least 0.1."""

Keep = Annotated[
    float | None,
    BeforeValidator(parse_keep),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "forever"},
                {"type": "number", "minimum": 1, "maximum": MAX_KEEP_S},
                {"type": "string", "pattern": rf"^\s*{_DURATION.pattern}\s*$", "examples": ["12h", "14d"]},
            ]
        }
    ),
]
"""Retention time in seconds; None: forever."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*{_SIZE.pattern}\s*$", "examples": ["500MB", "2GB"]}),
]
"""Bytes."""

Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*{_RATE.pattern}\s*$", "examples": ["1/day", "2/h"]}),
]
"""Events per hour."""

Fps = Annotated[
    float | Literal["keyframes"],
    BeforeValidator(parse_fps),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MAX_FPS}, {"const": "keyframes"}]}),
]
"""Frames per second, or ``keyframes``."""

_QUIET_SCHEMA = {"type": "string", "pattern": rf"^\s*{_QUIET.pattern}\s*$", "examples": ["22:00-07:00"]}

QuietTimes = Annotated[
    tuple[tuple[int, int], ...],
    BeforeValidator(parse_quiet),
    WithJsonSchema({"anyOf": [_QUIET_SCHEMA, {"type": "array", "items": _QUIET_SCHEMA, "maxItems": 20}]}),
]
"""Times of day, each from one minute after midnight to another one."""

Priority = Annotated[int, Field(ge=0, le=10)]
"""0 to 10; higher is served first."""
