"""Moments as people write them in options: an ISO time, "yesterday 18:30", "5 minutes ago"."""

import re
from datetime import datetime, timedelta

import typer

from daemon.config.units import seconds_of

WRITE = 'write 2026-05-01T18:30, 18:30, "yesterday", "yesterday 18:30", or how long ago: 90s, "5 minutes", 2d'
_DAY = re.compile(r"(today|yesterday)?\s*(\d{1,2}:\d{2}(?::\d{2})?)?")


def parse_moment(text: str, option: str, now: datetime | None = None) -> float:
    """Return the Unix time; local time if the text names no zone, and midnight if it names a day only.

    Raises ``typer.BadParameter`` for ``option``, with what to write.
    """
    now = now or datetime.now().astimezone()
    said = text.strip().lower()
    ago = seconds_of(said.removesuffix(" ago")) if not said.isdigit() else None
    try:
        if ago is not None:
            return (now - timedelta(seconds=ago)).timestamp()
        if said and (match := _DAY.fullmatch(said)):
            day = now.date() - timedelta(days=match[1] == "yesterday")
            hour, _, rest = (match[2] or "0:00").partition(":")
            return datetime.fromisoformat(f"{day} {hour:0>2}:{rest}").timestamp()
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time: {WRITE}", param_hint=option) from None
