from datetime import datetime, timedelta

import pytest
import typer

from daemon.commands.moments import parse_moment

NOW = datetime.fromisoformat("2026-05-02T12:00:00+02:00")


def at(text: str) -> datetime:
    return datetime.fromtimestamp(parse_moment(text, "--since", NOW), NOW.tzinfo)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("5 minutes", timedelta(minutes=5)),
        ("5 minutes ago", timedelta(minutes=5)),
        ("1 Hour", timedelta(hours=1)),
        (" 2 days ", timedelta(days=2)),
        ("1.5h", timedelta(minutes=90)),
        ("3w", timedelta(weeks=3)),
    ],
)
def test_how_long_ago(text: str, ago: timedelta) -> None:
    assert at(text) == NOW - ago


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("yesterday", "2026-05-01T00:00"),
        ("today", "2026-05-02T00:00"),
        ("yesterday 18:30", "2026-05-01T18:30"),
        ("Today 7:05:09", "2026-05-02T07:05:09"),
        ("18:30", "2026-05-02T18:30"),
        ("2026-04-30", "2026-04-30T00:00"),
        ("2026-04-30T10:00", "2026-04-30T10:00"),
    ],
)
def test_a_moment_without_a_zone_is_local(text: str, local: str) -> None:
    assert parse_moment(text, "--since", NOW) == datetime.fromisoformat(local).timestamp()


def test_a_zone_counts() -> None:
    assert at("2026-05-01T18:30:00+02:00") == datetime.fromisoformat("2026-05-01T16:30:00+00:00")


@pytest.mark.parametrize("text", ["", "someday", "25:00", "-1h", "5 parsecs", "yesterday 5 minutes", "7", "1e9d"])
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time: write 2026-05-01T18:30"):
        at(text)
