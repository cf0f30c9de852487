"""Times of questions: what people say is resolved in their own time zone."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from daemon.asking.times import When, local_zone, resolve, time_shown

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 29, 9, 30, tzinfo=BERLIN)  # a Sunday, whose night has one hour less


def when(**said: Any) -> When:
    return When.model_validate(dict.fromkeys(("last_minutes", "day", "from_time", "to_time")) | {"days": 1} | said)


@pytest.mark.parametrize(
    ("said", "since", "until"),
    [
        ({}, None, None),
        ({"last_minutes": 90}, "2026-03-29T08:00+02:00", None),
        ({"day": "today"}, "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ({"day": "Yesterday"}, "2026-03-28T00:00+01:00", "2026-03-29T00:00+01:00"),
        (
            {"day": "yesterday", "from_time": "20:00", "to_time": "06:00"},
            "2026-03-28T20:00+01:00",
            "2026-03-29T06:00+02:00",
        ),
        ({"day": "sunday"}, "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ({"day": "monday", "days": 3}, "2026-03-23T00:00+01:00", "2026-03-26T00:00+01:00"),
        ({"day": "2026-03-01", "from_time": "18:00"}, "2026-03-01T18:00+01:00", "2026-03-02T00:00+01:00"),
        ({"from_time": "22:00"}, "2026-03-28T22:00+01:00", "2026-03-29T00:00+01:00"),
        ({"from_time": "08:00", "to_time": "09:00"}, "2026-03-29T08:00+02:00", "2026-03-29T09:00+02:00"),
    ],
)
def test_what_is_said_becomes_unix_time(said: dict[str, Any], since: str | None, until: str | None) -> None:
    expected = tuple(datetime.fromisoformat(text).timestamp() if text else None for text in (since, until))
    assert resolve(when(**said), NOW) == expected


@pytest.mark.parametrize("said", [{"day": "soon"}, {"day": "2026-02-30"}, {"from_time": "25:00"}, {"to_time": "6pm"}])
def test_what_is_no_time_is_an_error(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        resolve(when(**said), NOW)


def test_the_zone_of_this_machine_follows_the_season(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert [time_shown(t, True, local_zone())[-8:] for t in (1767225600, 1782864000)] == ["01:00:00", "02:00:00"]
    assert time_shown(65.25, False, local_zone()) == "0:01:05.2"
    monkeypatch.setenv("TZ", "Nowhere/At_All")
    assert local_zone().utcoffset(datetime.now()) is not None
