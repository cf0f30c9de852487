"""``watchword search`` as people run it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.documents.documents import documented, run_commands
from tests.support.programs.daemon import write_config
from tests.support.recorded.recordings import LIVE, NOW, day, said, write_shard

pytestmark = pytest.mark.process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration whose state folder has an index."""
    write_config(tmp_path, cameras={}, events={"red": {"describe": "a red picture"}})
    day(tmp_path / "state" / "index")
    front = replace(LIVE, camera="front_door", key="session-9")
    write_shard(tmp_path / "state" / "index", front, [said(NOW + 10, NOW + 12, "Look, the parcel is here.")])
    return tmp_path


def test_the_searches_of_the_document_find_moments(folder: Path) -> None:
    done = run_commands(documented("docs/search.md", "$ watchword search"), folder)
    assert done.returncode == 0, done.stderr
    assert "read as: a red picture" in done.stderr
    assert '"the parcel is here"' in done.stdout
    assert done.stdout.count("door") >= 2
    assert '"score":' in done.stdout


def test_moments_are_printed_as_json_and_problems_with_what_to_do(folder: Path) -> None:
    done = run_commands("watchword search red --camera yard --json", folder)
    found = json.loads(done.stdout)
    assert [m["start"] - NOW for m in found["moments"] if m["score"] > 0.5] == [17.5]
    for options, code, text in (
        ("", 2, "nothing is searched for"),
        ("red --class unicorn", 2, "'unicorn' is no class of objects"),
        ("red --like 0", 2, "one of"),
        ("--image absent.png", 2, "cannot read absent.png"),
        ("red --from soon", 2, "'soon' is not a time"),
    ):
        refused = run_commands(f"watchword search {options}", folder)
        assert (refused.returncode, text in " ".join(refused.stderr.split())) == (code, True), refused.stderr
