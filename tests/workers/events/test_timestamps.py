import pytest

from workers.events.timestamps import clock, clock_range


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00:00.0"), (59.96, "0:01:00.0"), (3725.5, "1:02:05.5"), (100 * 3600.0, "100:00:00.0")],
)
def test_time_in_a_file(seconds: float, text: str) -> None:
    assert clock(seconds, live=False) == text


def test_time_of_a_live_stream_names_the_day_once() -> None:
    assert clock(1767323045.5, live=True) == "2026-01-02 03:04:05Z"
    assert clock_range(1767323045.5, 1767323046.5, live=True) == ("2026-01-02 03:04:05Z", "03:04:06Z")
    assert clock_range(1767323045.5, 1767409445.5, live=True)[1] == "2026-01-03 03:04:05Z"
    assert clock_range(1.0, 2.0, live=False) == ("0:00:01.0", "0:00:02.0")
