"""``watchword backtest`` as people run it."""

import json
import shlex
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.commands.recorded.backtest import app
from tests.daemon.backtest.test_live import TAPE
from tests.support.documents.documents import documented, run_commands
from tests.support.programs.daemon import write_config
from tests.support.recorded.shards import write_stream
from tests.support.streams.live_items import live_items
from workers.items import FrameAnswer

pytestmark = pytest.mark.process

LENGTH = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration whose index has three minutes of a camera, which ended a minute ago."""
    folder = tmp_path_factory.mktemp("backtest")
    events = {
        "intruder": {"describe": "red"},
        "barking": {"describe": "a dog barks", "modalities": ["sound"]},
        "stays": {"when": "intruder for at least 1s"},
        "leaves": {"when": "intruder then no intruder for 2s"},
    }
    write_config(folder, cameras={"front_door": {"url": "rtsp://10.0.0.5/1"}}, events=events)
    moved = time.time() - LENGTH - 60 - next(iter(live_items(0, 1))).start_s  # type: ignore[union-attr]
    frames = (item for item in live_items(0, LENGTH) if isinstance(item, FrameAnswer))
    items = [FrameAnswer(0, item.pts_s + moved, item.features) for item in frames]
    tape = replace(TAPE, camera="front_door", recorded=items[0].start_s, tags=False, transcribes=False, zones=())
    write_stream(folder / "state" / "index", tape, items)
    return folder


def test_the_commands_of_the_document_show_what_a_rule_would_have_reported(folder: Path) -> None:
    shown = run_commands(documented("docs/backtest.md", "$ watchword backtest"), folder)
    assert shown.returncode == 0, shown.stderr
    text, _, document = shown.stdout.partition("{\n")
    words = " ".join(text.split())
    assert "likely moments; exact decisions follow" in shown.stderr
    assert words.count("what it would have reported") == 2
    assert words.count("would have held") == 2
    assert words.count("h cannot be judged: nothing was recorded") == 2
    assert "over budget" in words
    found = json.loads("{" + document)
    assert (found["event"], found["threshold"], found["hits"], found["judged_hours"]) == ("intruder", 0.8, [], 0.0)


def test_a_threshold_is_tried_instead_of_the_rules_own(folder: Path) -> None:
    tried = run_commands("watchword backtest --event intruder --last 1h --threshold 0.97 --json", folder)
    assert tried.returncode == 0, tried.stderr
    found = json.loads(tried.stdout)
    assert {hit["camera"] for hit in found["hits"]} == {"front_door"}
    assert {hit["threshold"] for hit in found["hits"]} == {0.97}
    assert found["judged_hours"] == pytest.approx(LENGTH / 3600, rel=0.1)
    at = {point["threshold"]: point["hits"] for point in found["curve"]}
    assert at[0.97] == len(found["hits"])
    assert at[0.3] >= at[0.97]


def test_what_nobody_listened_for_is_said(folder: Path) -> None:
    shown = run_commands("watchword backtest --event barking --last 1h", folder)
    words = " ".join(shown.stdout.split())
    assert "nothing of this time can be judged" in words
    assert "nobody listened for sounds: no rule asked for them" in words


def test_problems_are_said_with_what_to_do(folder: Path) -> None:
    config = str(folder / "config.yaml")
    for options, text in (
        ("", "name an event, or describe one in words"),
        ("--event intruder --camera attic", "name a camera that is stored: front_door"),
        ("--event intruder --threshold 0.5 --budget 1/day", "give either --threshold or --budget"),
        ("--event intruder --budget often", "not a budget"),
        ("--event intruder --from 18:00 --last 7d", "give either --last or --from"),
        ("--event intruder --from yesterday --to '2 days'", "ends before it begins"),
    ):
        refused = CliRunner().invoke(app, [config, *shlex.split(options)], env={"COLUMNS": "200"})
        said = " ".join((refused.output + refused.stderr).replace("│", " ").split())
        assert (refused.exit_code, text in said) == (2, True), said


@pytest.mark.long
def test_a_rule_over_time_is_tried_by_what_its_parts_would_have_reported(folder: Path) -> None:
    parts, stays, leaves = (
        json.loads(run_commands(f"watchword backtest --event {event} --last 1h --json", folder).stdout)["hits"]
        for event in ("intruder", "stays", "leaves")
    )
    long = {hit["id"] for hit in parts if hit["end"] - hit["start"] >= 1}
    assert long
    assert {hit["parts"][0]["id"] for hit in stays} == long
    assert leaves
    assert all(hit["end"] == pytest.approx(hit["parts"][0]["end"] + 2, abs=0.01) for hit in leaves)
    shown = run_commands("watchword backtest --event stays --last 1h", folder)
    assert f"{len(long)} events" in shown.stdout
    refused = run_commands("watchword backtest --event stays --threshold 0.5", folder)
    assert refused.returncode == 2
    assert "a rule over time has neither" in refused.stderr
