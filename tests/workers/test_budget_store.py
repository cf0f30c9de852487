"""Budgets on disk: taken up again, started anew where they mean something else, never a reason to fail."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_clock import FakeClock
from structlog.testing import capture_logs

from alignment.budget import Budget
from workers.budget_store import SAVE_EVERY_S, BudgetStore, Keys
from workers.types import EventSpec, ModelInfo
from workers.watch import Watch

CAT = EventSpec("cat", ("a cat",), max_false_alerts_per_hour=1 / 24)
DOG = EventSpec("dog", ("a dog",), max_false_alerts_per_hour=1.0)
MODEL = ModelInfo("lite/x@1", "lite", "x", "1", 4, "MIT", "cpu", 1.0)
HOUR = 3600.0


def store(
    folder: Path | None,
    specs: tuple[EventSpec, ...] = (CAT, DOG),
    model: ModelInfo = MODEL,
    clock: FakeClock | None = None,
    aligner: str = "similarity",
) -> tuple[BudgetStore, dict[str, Budget]]:
    budgets = {s.name: Budget(s.max_false_alerts_per_hour or 1.0) for s in specs}
    keys = Keys.of(specs, model, aligner)
    return BudgetStore(folder, "door", Watch((), (), budgets), keys, clock or FakeClock()), budgets


def frames(row: list[float], start: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    return start + np.arange(n, dtype=np.float64), np.tile(np.array(row, np.float32), (n, 1))


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """A folder in which a camera of two scenes has learned."""
    kept, budgets = store(tmp_path)
    kept.see(*frames([1, 0, 0, 0], 0, 600))
    budgets["cat"].observe(100 * HOUR)
    kept.see(*frames([0, 1, 0, 0], 600, 600))
    budgets["cat"].observe(7 * HOUR)
    budgets["dog"].observe(HOUR, np.ones(len(budgets["dog"].levels)))
    kept.save(force=True)
    return tmp_path


def test_what_was_learned_is_taken_up_with_its_scene(learned: Path) -> None:
    kept, budgets = store(learned)
    assert kept.scenes.state.current == 1
    assert budgets["cat"].observed_hours == pytest.approx(7)
    assert budgets["dog"].observed_per_hour == pytest.approx(1)
    kept.see(*frames([1, 0, 0, 0], 2000, 600))
    assert budgets["cat"].observed_hours == pytest.approx(100)


def test_a_changed_description_starts_anew_and_the_others_go_on(learned: Path) -> None:
    _, budgets = store(learned, (replace(CAT, describe=("a black cat",)), DOG))
    assert budgets["cat"].observed_hours == 0
    assert budgets["dog"].observed_hours > 0


def test_another_model_starts_anew(learned: Path) -> None:
    for other in (
        store(learned, model=replace(MODEL, id="open_clip/y@1")),
        store(learned, aligner="cross_attention"),
    ):
        assert [b.observed_hours for b in other[1].values()] == [0, 0]
        assert other[0].scenes.state.means == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: "\xff\xfe",
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"hours"', '"days"').replace('"levels"', '"steps"'),
        lambda text: json.dumps(json.loads(text) | {"variance": float("nan")}),
        lambda text: json.dumps(json.loads(text) | {"means": [[0, [1, 2]], [1, [1]]]}),
        lambda text: json.dumps(json.loads(text) | {"means": [[0, "north"]]}),
        lambda text: json.dumps(json.loads(text) | {"budgets": {"cat": {"levels": [0.5], "scenes": {"0": [1, []]}}}}),
    ],
)
def test_a_damaged_file_gives_a_warning_and_a_fresh_start(learned: Path, damage: object) -> None:
    path = learned / "door.json"
    path.write_text(damage(path.read_text()))  # type: ignore[operator]  # one of the functions above
    with capture_logs() as logs:
        kept, budgets = store(learned)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert [b.observed_hours for b in budgets.values()] == [0, 0]
    kept.save(force=True)
    assert store(learned)[1]["cat"].observed_hours == 0


def test_it_is_written_at_most_once_a_minute(tmp_path: Path) -> None:
    clock = FakeClock()
    kept, budgets = store(tmp_path, clock=clock)
    kept.save()
    assert not (tmp_path / "door.json").exists()
    clock.now += SAVE_EVERY_S
    kept.save()
    first = (tmp_path / "door.json").read_text()
    budgets["cat"].observe(HOUR)
    kept.save()
    assert (tmp_path / "door.json").read_text() == first
    kept.save(force=True)
    assert (tmp_path / "door.json").read_text() != first
    assert [p.name for p in tmp_path.iterdir()] == ["door.json"]


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    taken = tmp_path / "budgets"
    taken.write_text("a file where the folder should be")
    with capture_logs() as logs:
        store(taken)[0].save(force=True)
    assert {entry["log_level"] for entry in logs} == {"warning"}


def test_nothing_is_written_without_a_budget_or_a_folder(tmp_path: Path) -> None:
    store(tmp_path, ())[0].save(force=True)
    store(None)[0].save(force=True)
    assert list(tmp_path.iterdir()) == []
