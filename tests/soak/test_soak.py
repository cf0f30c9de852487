"""The soak, briefly, and its oracle: four live cameras, a fault of each part, nothing lost and nothing told twice."""

from pathlib import Path
from typing import Any

import pytest

from tests.soak.faults import Fault, Happened
from tests.soak.oracle import Shown, judge
from tests.soak.soak import run


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(420)
def test_nothing_is_lost_and_nothing_is_told_twice(tmp_path: Path) -> None:
    faults = [
        Fault(30, "source", "http", "is away", 5),
        Fault(50, "actor", "EncoderActor", "is killed"),
        Fault(70, "redis", "redis", "is killed", 5),
        Fault(80, "actor", "StateActor", "is killed"),
        Fault(85, "source", "rtsp", "is noisy", 2),
    ]
    report = run(tmp_path, 130, faults, apart_s=6)
    assert report.verdict.good, report
    assert report.verdict.found >= 8, report
    assert report.stop_code == 0, report


def entry(identity: str, start: float, end: float, **changes: Any) -> dict[str, Any]:
    base = {"id": identity, "revision": 1, "type": "end", "camera": "http", "event": "cat"}
    return base | {"start": start, "end": end} | changes


def test_the_oracle_expects_what_could_be_seen_and_knows_what_came_twice() -> None:
    cat, later = Shown("http", "cat", 107.0, 117.0), Shown("http", "cat", 153.0, 161.0)
    away = Happened(Fault(0, "source", "http", "is away", 5), 150.0, 155.0)
    other = Happened(Fault(0, "source", "tcp", "is away", 5), 105.0, 110.0)
    killed = Happened(Fault(0, "redis", "redis", "is killed", 5), 105.0, 110.0)
    told = [entry("a", 107, 109, type="new", revision=0), entry("a", 107, 117)]

    def verdict(*entries: dict[str, Any], logged: frozenset[str] = frozenset()) -> Any:
        return judge([cat, later], [away, other, killed], list(entries), set(logged), (60.0, 200.0))

    good = verdict(*told, logged=frozenset({"a"}))
    assert (good.good, good.expected, good.found, good.strays) == (True, 1, 1, 0)  # the second was hidden
    assert verdict().lost == (cat,)
    assert verdict(told[0]).unended == ("a",)
    assert verdict(*told, logged=frozenset({"a", "b"})).undelivered == ("b",)
    assert verdict(*told, told[1]).twice == ("a",)
    assert verdict(*told, entry("b", 108, 116)).twice == ("b",)
    assert verdict(*told, entry("b", 20, 25)).strays == 1
    assert verdict(entry("a", 153, 161)).lost == (cat,)
