"""The examples of the page about rules over time, with what they are said to find."""

import json
from pathlib import Path

import pytest

from alignment.temporal.expressions import Ref
from alignment.temporal.types import Part, Progress
from daemon.config.loader import config_of_text
from daemon.config.over_time import rules_of_cameras
from daemon.temporal.runs import RuleRuns
from tests.support.documents.documents import documented, run_commands
from tests.support.events import make_live
from tests.support.streams.pipelines import write_colours
from workers.events.event import Event


class Day:
    """The rules of an example, and what happens."""

    def __init__(self, text: str, folder: Path) -> None:
        config = config_of_text(text, folder / "config.yaml", inputs_required=True)
        rules = rules_of_cameras(config)
        self._events: dict[str, Event] = {}
        self._runs = RuleRuns(self._events.get)
        self._runs.use(rules, "", 0.0)
        self._sources = {
            ref for rule in rules for camera in config.cameras for event in rule.events for ref in [Ref(camera, event)]
        }
        self.found: list[tuple[str, str]] = []

    def happens(self, what: str, start: float, end: float) -> None:
        camera, event = what.split(".")
        part = make_live(len(self._events), camera=camera, event=event, start=start, end=end, type="end")
        self._events[part.id] = part
        self._take(self._runs.take([part]), start)

    def passes(self, until: float) -> None:
        self._take([], until)

    def _take(self, parts: list[Part], until: float) -> None:
        watched = [Progress(source, 0.0, until) for source in self._sources]
        self.found += [(e.event, e.type) for e in self._runs.step(parts, watched, until) if e.type == "new"]


def test_a_parcel_that_nobody_takes_in(tmp_path: Path) -> None:
    day = Day(documented("docs/rules-over-time.md", "cameras:\n  door:", ("yaml",)), tmp_path)
    day.happens("door.parcel", 0, 3000)
    day.happens("hall.person", 3100, 3200)
    day.passes(6000)
    assert day.found == []
    day.happens("door.parcel", 7000, 7100)
    day.passes(7699)
    assert day.found == []
    day.passes(7701)
    assert day.found == [("not_taken_in", "new")]


def test_nobody_for_half_a_day_and_the_first_of_the_day(tmp_path: Path) -> None:
    day = Day(documented("docs/rules-over-time.md", "cameras:\n  kitchen:", ("yaml",)), tmp_path)
    day.happens("kitchen.person", 100, 200)
    day.happens("kitchen.person", 4000, 4100)
    assert day.found == []
    day.happens("kitchen.person", 4100 + 7 * 3600, 4100 + 7 * 3600 + 60)
    assert day.found == [("first_of_the_day", "new")]
    day.passes(4100 + 7 * 3600 + 60 + 12 * 3600 + 1)
    assert day.found == [("first_of_the_day", "new"), ("nobody", "new")]


def test_somebody_stays_and_many_come(tmp_path: Path) -> None:
    day = Day(documented("docs/rules-over-time.md", "cameras:\n  gate:", ("yaml",)), tmp_path)
    day.happens("gate.person", 0, 10)
    day.happens("yard.person", 60, 70)
    assert day.found == []
    day.happens("yard.person", 100, 140)
    assert day.found == [("stays", "new")]
    for start in (200, 260, 320, 380):
        day.happens("gate.person", start, start + 5)
    assert day.found[1:] == [("crowd", "new")]
    day.happens("yard.person", 383, 420)
    assert day.found[2:] == [("stays", "new"), ("both", "new")]


@pytest.mark.process
def test_a_file_is_tagged_with_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(documented("docs/rules-over-time.md", "models: {profile: colour}", ("yaml",)))
    write_colours(tmp_path / "clip.mp4", [("grey", 3), ("red", 4), ("grey", 3), ("blue", 4), ("grey", 3)])
    done = run_commands(
        documented("docs/rules-over-time.md", "$ watchword tag clip.mp4 --config rules.yaml --json"), tmp_path
    )
    assert done.returncode == 0, done.stderr
    events = {event["event"]: event for event in json.loads(done.stdout)["events"]}
    assert set(events) == {"red", "blue", "red_then_blue"}
    assert [part["event"] for part in events["red_then_blue"]["parts"]] == ["red", "blue"]
