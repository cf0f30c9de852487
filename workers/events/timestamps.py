"""Stream seconds as text: for people, and as ISO 8601."""

from datetime import UTC, datetime

EARLIEST_S = datetime(1, 1, 2, tzinfo=UTC).timestamp()
LATEST_S = datetime(9999, 12, 30, tzinfo=UTC).timestamp()  # a day less: neither rounding nor a time zone exceeds it


def clock(seconds: float, live: bool) -> str:
    """Return a live stream's time as UTC, a file's as hours, minutes and seconds from its start.

    ``seconds`` lies between ``EARLIEST_S`` and ``LATEST_S``.
    """
    if live:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest / 10:04.1f}"


def clock_range(start: float, end: float, live: bool) -> tuple[str, str]:
    """Return start and end as ``clock`` writes them; the end without its date if start and end have the same date."""
    first, last = clock(start, live), clock(end, live)
    day, _, _ = first.partition(" ")
    return first, last.removeprefix(f"{day} ")


def iso(unix_s: float) -> str:
    """Return Unix seconds as ISO 8601 in UTC with milliseconds, like ``2026-01-02T03:04:05.678Z``."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
