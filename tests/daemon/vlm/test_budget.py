"""Calls are counted for the minute in memory and for the day on disk."""

from pathlib import Path

import pytest

from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.budget import DAY_S, CallBudget
from daemon.vlm.errors import VlmBudgetSpent
from tests.support.clocks import FakeClock


def settings(**more: int) -> VlmSettings:
    return VlmSettings.model_validate({"url": "http://127.0.0.1/v1", "model": "tiny"} | more)


def test_of_any_minute_no_more_calls_are_allowed() -> None:
    clock = FakeClock()
    budget, three = CallBudget(None, clock), settings(calls_per_minute=3)
    times: list[float] = []
    for _ in range(1000):
        if wait_s := budget.take(three):
            clock.sleep(wait_s)
        else:
            times.append(clock.now)
            clock.sleep(7)
    assert len(times) > 300
    assert all(b - a >= 60 for a, b in zip(times, times[3:], strict=False))
    assert max(b - a for a, b in zip(times, times[3:], strict=False)) < 61


def test_the_day_is_kept_over_a_restart_and_ends_at_midnight(tmp_path: Path) -> None:
    clock, path, two = FakeClock(), tmp_path / "calls" / "a.json", settings(calls_per_day=2)
    CallBudget(path, clock).take(two)
    CallBudget(path, clock).spend(40)
    CallBudget(path, clock).take(two)
    with pytest.raises(VlmBudgetSpent, match="2 calls"):
        CallBudget(path, clock).take(two)
    assert (CallBudget(path, clock).today().calls, CallBudget(path, clock).today().tokens) == (2, 40)
    clock.sleep(DAY_S - clock.wall() % DAY_S)
    assert CallBudget(path, clock).take(two) == 0
    assert CallBudget(path, clock).today().tokens == 0


def test_tokens_of_the_day(tmp_path: Path) -> None:
    budget, limited = CallBudget(tmp_path / "a.json"), settings(tokens_per_day=100)
    for tokens in (60, 60):
        budget.take(limited)
        budget.spend(tokens)
    with pytest.raises(VlmBudgetSpent, match="100 tokens"):
        budget.take(limited)


def test_two_processes_share_what_the_day_allows(tmp_path: Path) -> None:
    one, other, four = CallBudget(tmp_path / "a.json"), CallBudget(tmp_path / "a.json"), settings(calls_per_day=4)
    for budget in (one, other, one, other):
        assert budget.take(four) == 0
    with pytest.raises(VlmBudgetSpent):
        one.take(four)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"day": 1, "what": 2}', b"\xff"])
def test_a_damaged_file_and_a_folder_that_cannot_be_written_count_in_memory(tmp_path: Path, content: bytes) -> None:
    path, one = tmp_path / "a.json", settings(calls_per_day=1)
    path.write_bytes(content)
    assert CallBudget(path).take(one) == 0
    assert CallBudget(path).today().calls == 1
    (tmp_path / "file").touch()
    budget = CallBudget(tmp_path / "file" / "a.json")
    assert budget.take(one) == 0
    with pytest.raises(VlmBudgetSpent):
        budget.take(one)
