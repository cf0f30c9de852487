"""``watchword ask`` as people run it: a model behind a real server, an index on disk, no daemon."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents.documents import documented, run_commands
from tests.support.programs.daemon import write_config
from tests.support.recorded.asking import claims, is_plan, plan
from tests.support.recorded.recordings import NOW, day
from tests.support.serving.vlm_server import VlmServer, says, status, vlm_server

pytestmark = pytest.mark.process
MARKUP = "Red [bold]was\x1b[31m here"


@pytest.fixture
def server() -> Iterator[VlmServer]:
    answered = claims((MARKUP, [1]))
    with vlm_server(says(lambda asked: plan("a red picture") if is_plan(asked) else answered)) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, server: VlmServer) -> Path:
    models = {"profile": "colour", "verifier": {"url": server.url, "model": "tiny", "timeout": 5}}
    cameras = {name: {"url": f"rtsp://127.0.0.1:9/{name}"} for name in ("door", "yard", "gate")}
    cameras["yard"]["verifier"] = "none"
    write_config(tmp_path, models=models, cameras=cameras, events={"red": {"describe": "a red picture"}})
    day(tmp_path / "state" / "index")
    return tmp_path


def test_the_questions_of_the_document_are_answered(folder: Path) -> None:
    done = run_commands(documented("docs/second-opinion.md", "$ watchword ask"), folder)
    assert done.returncode == 0, done.stderr
    first, place, *rest = done.stdout.splitlines()
    assert first == "Red [bold]was\\u001b[31m here [1]"
    assert place.startswith("[1]  door  ")
    assert json.loads("\n".join(rest))["state"] == "answered"
    assert 'searched for "a red picture" from ' in done.stderr
    assert " in 3 min of door, 0 min of gate\n" in done.stderr
    assert "not asked about: yard (verifier: none)" in done.stderr


def test_a_dialogue_goes_on_and_what_fails_says_what_to_do(folder: Path, server: VlmServer) -> None:
    lines = f"what was there?\n{'?' * 501}\nand before that?\n"
    done = run_commands(f"watchword ask <<END\n{lines}END", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Red [bold]") == 2
    assert "error [ask_impossible]" in done.stderr
    assert [turn["question"] for turn in server.asked[-1].data["earlier"]] == ["what was there?"]
    server.usual = status(401)
    failed = run_commands("watchword ask 'a red picture' --camera door --json", folder)
    assert failed.returncode == 4
    found = json.loads(failed.stdout)
    assert (found["state"], found["moments"][0]["moment"]["start"] - NOW) == ("failed", 39.5)
    server.usual = says(lambda asked: plan("a red picture") if is_plan(asked) else claims())
    unseen = run_commands("watchword ask 'who was it?' --from '1 day'", folder)
    assert (unseen.returncode, unseen.stdout.splitlines()[0]) == (0, "not seen")
    for options, text in (
        ("--json", "a dialogue cannot be printed as JSON"),
        ("who --camera yard", "may be asked about yard"),
        ("who --camera attic", "there is no camera attic"),
    ):
        refused = run_commands(f"watchword ask {options}", folder)
        assert (refused.returncode, text in " ".join(refused.stderr.split())) == (2, True), refused.stderr
