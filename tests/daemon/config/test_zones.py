"""Zones in the configuration: read, resolved by camera, and explained where they are wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from daemon.commands.setup.check import check
from daemon.commands.tag import tag
from daemon.config import config_hash
from tests.daemon.config.conftest import Load, Problems
from workers.events.writer import spec_version

Run = Callable[..., Result]
GATE = "gate: [[0.1, 0.2], [0.6, 0.2], [0.6, 0.9]]"
DRIVE = "drive: [[0, 0.5], [1, 0.5], [1, 1], [0, 1], [0, 0.5]]"
TWO = f"""\
cameras:
  front: {{url: a.mp4, zones: {{{GATE}, {DRIVE}}}}}
  back: {{url: b.mp4, zones: {{{GATE}}}}}
  hall: {{url: c.mp4}}
events:
  visitor: {{describe: a person, zone: gate}}
  car: {{describe: a car, zone: [drive, gate]}}
  cat: {{describe: a cat}}
"""


def test_an_event_is_looked_for_in_the_zones_that_a_camera_has(load: Load) -> None:
    config = load(TWO)
    by_camera = {c.name: config.event_specs(c.name) for c in config.camera_specs()}
    assert {c: {e.name: [z.name for z in e.zones] for e in events} for c, events in by_camera.items()} == {
        "front": {"visitor": ["gate"], "car": ["drive", "gate"], "cat": []},
        "back": {"visitor": ["gate"], "car": ["gate"], "cat": []},
        "hall": {"cat": []},
    }
    assert by_camera["front"][0].areas == (((0.1, 0.2), (0.6, 0.2), (0.6, 0.9)),)
    assert len(by_camera["front"][1].areas[0]) == 4, "the ring is closed without its last corner"
    assert [c.events for c in config.camera_specs()][2] == ("cat",)
    assert [e.name for e in config.event_specs()] == ["cat"]
    assert config.warnings == ()


def test_a_camera_may_choose_another_zone(load: Load) -> None:
    config = load(
        TWO.replace(f"b.mp4, zones: {{{GATE}}}", f"b.mp4, zones: {{{GATE}}}, events: {{cat: {{zone: gate}}}}")
    )
    (cat,) = config.event_specs("back")
    assert [z.name for z in cat.zones] == ["gate"]


def test_the_area_is_part_of_an_events_definition_and_its_name_is_not(load: Load) -> None:
    visitor = load(TWO).event_specs("front")[0]
    renamed = load(TWO.replace("gate", "entry")).event_specs("front")[0]
    moved = load(TWO.replace("[0.6, 0.9]", "[0.6, 0.8]")).event_specs("front")[0]
    whole = load(TWO.replace(", zone: gate", "")).event_specs("front")[0]
    assert spec_version(visitor) == spec_version(renamed)
    assert len({spec_version(x) for x in (visitor, moved, whole)}) == 3
    assert config_hash(load(TWO)) != config_hash(load(TWO.replace("[0.6, 0.9]", "[0.6, 0.8]")))


@pytest.mark.parametrize(
    ("area", "said"),
    [
        ("[[0, 0], [1, 0]]", "3 to 100 corners, and 2 are given"),
        ("[[0, 0], [1, 0], [1, 0], [0, 0]]", "and 2 are given"),
        ("[[0, 0], [640, 0], [640, 360]]", "divide pixels"),
        ("[[0, 0], [1, 1], [1, 0], [0, 1]]", "edges of the area cross"),
        ("[[0, 0], [0.5, 0.5], [1, 1]]", "on one line"),
        ("[0, 0, 1, 1]", "a list of corners"),
    ],
)
def test_a_zone_that_is_none_is_explained(problems: Problems, area: str, said: str) -> None:
    (problem,) = problems(TWO.replace("[[0.1, 0.2], [0.6, 0.2], [0.6, 0.9]]", area, 1))
    assert said in problem.message
    assert problem.key == "cameras.front.zones.gate"
    assert problem.line == 2


@pytest.mark.parametrize(
    ("before", "after", "key", "said"),
    [
        ("person, zone: gate", "person, zone: gat", "events.visitor.zone", 'none of its cameras has a zone "gat"'),
        ("person, zone: gate", "person, zone: []", "events.visitor.zone", "must not be empty"),
        ("person, zone: gate", "person, zone: [gate, gate]", "events.visitor.zone", "a value twice"),
        ("c.mp4", "c.mp4, events: [visitor, cat]", "cameras.hall.events[0]", 'has no zone "gate"'),
        (
            "c.mp4",
            "c.mp4, events: {cat: {zone: gate}}",
            "cameras.hall.events.cat.zone",
            'this camera has no zone "gate"',
        ),
        ("cat}", "cat, zone: gate}", "cameras.hall", "no event is looked for on this camera"),
    ],
)
def test_zones_that_are_missing_are_named(problems: Problems, before: str, after: str, key: str, said: str) -> None:
    assert before in TWO
    (problem,) = problems(TWO.replace(before, after))
    assert said in problem.message
    assert problem.key == key
    assert problem.line > 0
    assert problem.hint or "twice" in said


def test_a_misspelt_zone_is_suggested(problems: Problems) -> None:
    (problem,) = problems(TWO.replace("person, zone: gate", "person, zone: gat"))
    assert 'did you mean "gate"?' in problem.hint


@pytest.fixture
def run() -> Run:
    app = typer.Typer()
    app.command()(check)
    app.command()(tag)

    return lambda *args: CliRunner().invoke(app, [str(a) for a in args])


def words(done: Result) -> str:
    return " ".join(done.output.replace("│", " ").split())


def test_check_shows_zones_and_warns_of_those_without_an_event(run: Run, write: Callable[[str], Path]) -> None:
    shown = words(run("check", write(TWO.replace("[drive, gate]", "gate") + "uploads: {folder: in, done: out}\n")))
    assert "a person, in the zone gate" in shown
    assert "cameras.front.zones.drive: no event of this camera is looked for in this zone" in shown
    assert "events.visitor.zone: uploads have no zones" in shown
    document = json.loads(run("check", write(TWO), "--json").stdout)
    assert document["watches"]["front"]["events"][0]["zones"] == [
        {"name": "gate", "area": [[0.1, 0.2], [0.6, 0.2], [0.6, 0.9]]}
    ]


def test_check_warns_that_sounds_and_words_have_no_place(run: Run, write: Callable[[str], Path]) -> None:
    heard = TWO.replace("a person", '["someone asks for help", "glass breaking", "a person"]')
    shown = words(run("check", write(heard)))
    for text in ("someone asks for help", "glass breaking"):
        assert f"'{text}': what is said or heard has no place in the frame" in shown
    assert "'a person': what is said" not in shown


def test_tag_says_which_events_files_cannot_have(run: Run, write: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"")
    only = TWO.replace("  cat: {describe: a cat}\n", "").replace("  hall: {url: c.mp4}\n", "")
    assert "all events of the configuration are in zones" in words(
        run("tag", tmp_path / "x.mp4", "--config", write(only))
    )


def test_check_warns_of_a_zone_that_masks_hide(run: Run, write: Callable[[str], Path]) -> None:
    masked = TWO.replace("url: a.mp4,", "url: a.mp4, masks: [[[0.7, 0], [1, 0], [1, 0.4]]],")
    shown = words(run("check", write(masked)))
    assert "cameras.front.masks: 'visitor' cannot be seen: its zone lies outside the camera's masks" in shown
    assert "cameras.back.masks" not in shown
    assert "'cat' cannot be seen" not in shown
