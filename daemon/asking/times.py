"""Times of a question: the model names them as people do, and they are resolved here, in the reader's time zone."""

import os
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pydantic import Field

from daemon.asking.types import Form
from workers.events.timestamps import clock

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class When(Form):
    """A time as it is named in a question; null: it is not."""

    last_minutes: float | None = Field(
        gt=0, le=60 * 24 * 366, description='Only for "in the last two hours" (120) and the like.'
    )
    day: str | None = Field(max_length=20, description="today, yesterday, a day of the week in English, or YYYY-MM-DD.")
    days: int = Field(ge=1, le=366, description="How many days from that day on.")
    from_time: str | None = Field(max_length=8, description="HH:MM on the first day.")
    to_time: str | None = Field(
        max_length=8, description="HH:MM on the last day; of the next day if it is before from_time."
    )


def local_zone() -> tzinfo:
    """Return the time zone of this machine."""
    with suppress(OSError, ValueError, KeyError):
        if name := os.environ.get("TZ"):
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    return datetime.now().astimezone().tzinfo or UTC


def time_shown(seconds: float, live: bool, zone: tzinfo) -> str:
    """Return a time of a live stream as a clock in ``zone`` shows it, of a file the offset in it."""
    return f"{datetime.fromtimestamp(seconds, zone):%a %Y-%m-%d %H:%M:%S}" if live else clock(seconds, live)


def resolve(when: When, now: datetime) -> tuple[float | None, float | None]:
    """Return since and until in Unix seconds, None for no bound; ``now`` has the reader's time zone.

    Raise ``ValueError`` for a day or time that is none.
    """
    if when.last_minutes is not None:
        return now.timestamp() - 60 * when.last_minutes, None
    if when.day is None and when.from_time is None and when.to_time is None:
        return None, None
    first = _day(when.day, now.date())
    begin = time.fromisoformat(when.from_time) if when.from_time else time()
    since = datetime.combine(first, begin, now.tzinfo)
    if when.day is None and since > now:  # "since 22:00", asked in the morning
        since -= timedelta(days=1)
    last = since.date() + timedelta(days=when.days - 1)
    if when.to_time is None:
        return since.timestamp(), datetime.combine(last + timedelta(days=1), time(), now.tzinfo).timestamp()
    until = datetime.combine(last, time.fromisoformat(when.to_time), now.tzinfo)
    return since.timestamp(), (until if until > since else until + timedelta(days=1)).timestamp()


def _day(name: str | None, today: date) -> date:
    """Return the latest day that is called so."""
    said = (name or "today").strip().lower()
    if said in ("today", "yesterday"):
        return today - timedelta(days=said == "yesterday")
    if said in DAYS:
        return today - timedelta(days=(today.weekday() - DAYS.index(said)) % 7)
    return date.fromisoformat(said)
