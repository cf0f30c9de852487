"""Budgets on disk: taken up again, started anew where they mean something else, never a reason to fail."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from alignment.spans.budget import Budget
from tests.support.clocks import FakeClock
from tests.support.streams.pipelines import ColourEncoder
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.budgets.report import exceeded_budgets
from workers.decisions.budgets.store import SAVE_EVERY_S, BudgetKeys, BudgetStore
from workers.decisions.rules import RuleSet
from workers.services.state import StateService
from workers.types import EventSpec, ModelInfo

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
    keys = BudgetKeys.of(specs, f"{model.id} {aligner}")
    look_alikes = LookAlikes(ColourEncoder())
    state = StateService(budgets=folder) if folder else None
    return BudgetStore(state, "door", RuleSet((), (), budgets), keys, look_alikes, clock or FakeClock()), budgets


def frames(row: list[float], start: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    return start + np.arange(n, dtype=np.float64), np.tile(np.array(row, np.float32), (n, 1))


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """A folder in which a camera of two scenes has learned."""
    kept, budgets = store(tmp_path)
    kept.add_frames(*frames([1, 0, 0, 0], 0, 600))
    budgets["cat"].observe(100 * HOUR)
    kept.add_frames(*frames([0, 1, 0, 0], 600, 600))
    budgets["cat"].observe(7 * HOUR)
    budgets["dog"].observe(HOUR, np.ones(len(budgets["dog"].levels)))
    kept.save(force=True)
    return tmp_path


def test_what_was_learned_is_taken_up_with_its_scene(learned: Path) -> None:
    kept, budgets = store(learned)
    assert kept.scenes.state.current == 1
    assert budgets["cat"].observed_hours == pytest.approx(7)
    assert budgets["dog"].observed_per_hour == pytest.approx(1)
    kept.add_frames(*frames([1, 0, 0, 0], 2000, 600))
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
        lambda text: text.replace('"version": 2', '"version": 3'),
        lambda text: text.replace('"hours"', '"days"').replace('"levels"', '"steps"'),
        lambda text: json.dumps(json.loads(text) | {"variance": float("nan")}),
        lambda text: json.dumps(json.loads(text) | {"means": [[0, [1, 2]], [1, [1]]]}),
        lambda text: json.dumps(json.loads(text) | {"means": [[0, "north"]]}),
        lambda text: text.replace('"tokens": ', '"tokens": -'),
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


def test_a_file_without_allowances_is_read_and_they_start_full(learned: Path) -> None:
    path = learned / "door.json"
    document = json.loads(path.read_text())
    for state in document["budgets"].values():
        del state["allowance"]
    path.write_text(json.dumps(document | {"version": 1}))
    with capture_logs() as logs:
        _, budgets = store(learned)
    assert logs == []
    assert budgets["cat"].observed_hours == pytest.approx(7)
    assert budgets["cat"].allowance.state() == Budget(1 / 24).allowance.state()


def test_counts_of_other_levels_are_refused_with_a_warning(learned: Path) -> None:
    path = learned / "door.json"
    document = json.loads(path.read_text())
    for state in document["budgets"].values():
        state["allowance"]["recent"].pop()
    path.write_text(json.dumps(document))
    with capture_logs() as logs:
        _, budgets = store(learned)
    assert [entry["event_name"] for entry in logs] == ["cat", "dog"]
    assert [b.observed_hours for b in budgets.values()] == [0, 0]


def test_what_is_over_budget_is_logged_once_and_remembered(tmp_path: Path) -> None:
    kept, budgets = store(tmp_path)
    for _ in range(5):
        budgets["cat"].allowance.count(0.97)
    with capture_logs() as logs:
        kept.save()
        kept.save(force=True)
    (entry,) = logs
    assert (entry["camera"], entry["event_name"], entry["budget_a_day"], entry["events_a_day"]) == ("door", "cat", 1, 5)
    assert entry["alert_threshold"] > 0.97
    again, budgets = store(tmp_path)
    assert budgets["cat"].allowance.exceeded
    budgets["cat"].observe(200 * HOUR)
    with capture_logs() as logs:
        again.save()
    assert not budgets["cat"].allowance.exceeded
    assert logs == []  # it was over before this store looked


def test_what_it_looks_like_is_logged_saved_and_reported(tmp_path: Path) -> None:
    kept, budgets = store(tmp_path)
    kept.look_alikes.restore({"cat": "plush toy"})
    for _ in range(5):
        budgets["cat"].allowance.count(0.97)
    with capture_logs() as logs:
        kept.save(force=True)
    assert logs[0]["looks_like"] == "plush toy"
    assert store(tmp_path)[0].look_alikes.names() == {"cat": "plush toy"}
    (found,) = exceeded_budgets(tmp_path, "door", (CAT,))
    assert "look like 'plush toy'" in str(found)


def test_a_command_beside_the_daemon_reports_what_is_over_budget(tmp_path: Path) -> None:
    kept, budgets = store(tmp_path)
    for _ in range(5):
        budgets["cat"].allowance.count(0.97)
    kept.save(force=True)
    (found,) = exceeded_budgets(tmp_path, "door", (CAT, DOG))
    assert (found.event, found.events_a_day, found.budget_a_day) == ("cat", 5, 1)
    assert "'cat' on camera 'door'" in str(found)
    assert "unlike" in str(found)
    assert list(exceeded_budgets(tmp_path, "door", (replace(CAT, describe=("a black cat",)), DOG))) == []
    assert list(exceeded_budgets(tmp_path, "yard", (CAT, DOG))) == []
    (tmp_path / "door.json").write_text("{")
    assert list(exceeded_budgets(tmp_path, "door", (CAT, DOG))) == []


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
