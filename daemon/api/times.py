"""Times in parameters of requests."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator


def checked_time(text: str | None) -> str | None:
    """Return a time as it is written; raise ``ValueError`` if it is none."""
    if text is not None:
        unix_of(text)
    return text


def unix_of(text: str) -> float:
    """Return Unix seconds of a number, or of ISO 8601 (without a zone: UTC); raise ``ValueError``."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not a time; write Unix seconds, or ISO 8601 like 2026-01-02T03:04:05Z") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


Moment = Annotated[
    str | None,
    AfterValidator(checked_time),
    Query(max_length=40, description="Unix seconds or ISO 8601; time of the last revision."),
]
