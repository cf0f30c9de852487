import re

import pytest
from pydantic import TypeAdapter, ValidationError

from daemon.config.units import Size, parse_duration, parse_fps, parse_rate


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *[("2s", 2), ("1m", 60), ("1min", 60), ("500ms", 0.5), ("1h", 3600), ("1.5 h", 5400), ("1d", 86400)],
        *[("7", 7), (3, 3), (0.25, 0.25), (0, 0)],
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "2 parsecs", "s", "-1s", -1, True, None, "1e400", float("inf"), float("nan"), "40d", "٣s", "1s2m"]
)
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "an_hour"),
    [("1/day", 1 / 24), ("24/d", 1), ("2/h", 2), ("2 / hour", 2), ("3/week", 3 / 168), ("0.5/w", 0.5 / 168)],
)
def test_budgets(written: str, an_hour: float) -> None:
    assert parse_rate(written) == pytest.approx(an_hour)


@pytest.mark.parametrize("written", ["1", 1, "0/day", "1/year", "day", "-1/day", None, "1/0"])
def test_what_is_no_budget(written: object) -> None:
    with pytest.raises(ValueError, match="budget"):
        parse_rate(written)


def test_sampling_rates() -> None:
    assert parse_fps(1) == 1
    assert parse_fps("0.2") == 0.2
    assert parse_fps(60) == 60
    assert parse_fps("keyframes") == "keyframes"


@pytest.mark.parametrize("written", [0, -1, 60.1, "keyframe", True, None, [], float("nan"), "nan"])
def test_what_is_no_sampling_rate(written: object) -> None:
    with pytest.raises(ValueError, match="keyframes"):
        parse_fps(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [("500MB", 5 * 10**8), (" 2 GB ", 2 * 10**9), ("1.5TB", 15 * 10**11), ("1gib", 2**30), ("1MB", 10**6)],
)
def test_sizes(written: str, size: int) -> None:
    assert TypeAdapter(Size).validate_python(written) == size
    assert re.search(TypeAdapter(Size).json_schema()["pattern"], written)


@pytest.mark.parametrize(
    "written", ["", "2", 2, 2 * 10**9, "999KB", "0.5MB", "2GB a day", "1001TB", "-2GB", "2Gbit", True, None, "٢GB"]
)
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValidationError, match='not a size; write "500MB", "2GB"'):
        TypeAdapter(Size).validate_python(written)
