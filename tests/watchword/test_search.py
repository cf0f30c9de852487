"""``watchword.search``: moments of an index that a daemon wrote."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import watchword
from tests.support.documents.documents import documented
from tests.support.programs.daemon import write_config
from tests.support.recorded.recordings import NOW, day

pytestmark = pytest.mark.process  # loads torch, once


@pytest.fixture
def config(tmp_path: Path) -> Path:
    day(tmp_path / "state" / "index")
    return write_config(tmp_path, cameras={}, events={"red": {"describe": "a red picture"}})


def spans(found: list[watchword.Moment]) -> list[tuple[str, float, float]]:
    return [(m.camera, m.start - NOW, m.end - NOW) for m in found if m.score > 0.5]


def test_moments_come_typed_and_restricted(config: Path) -> None:
    found = watchword.search("a red picture", config=config)
    assert all(isinstance(moment, watchword.Moment) for moment in found)
    assert sorted(spans(found)) == [("door", 39.5, 47.5), ("door", 3645.5, 3649.5), ("yard", 17.5, 23.5)]
    assert spans(watchword.search("a red picture", config=config, camera="yard")) == [("yard", 17.5, 23.5)]
    later = datetime.fromtimestamp(NOW + 3600, UTC)
    found = watchword.search("a red picture", config=config, camera=["door"], since=later, until=NOW + 4000)
    assert spans(found) == [("door", 3645.5, 3649.5)]
    (said,) = watchword.search("the parcel is at the neighbours", config=config, spoken=True, limit=1)
    assert said.said == "The parcel is at the neighbours."


def test_what_cannot_be_found_is_logged_or_raised(
    config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert watchword.search(config=config, classes=["dog"], words="parcel") == []
    assert "nothing was found" in caplog.text
    with pytest.raises(watchword.errors.SearchError, match="nothing is searched for"):
        watchword.search(config=config)
    with pytest.raises(watchword.errors.SearchError, match=r"cannot read .*absent\.png"):
        watchword.search(config=config, image=tmp_path / "absent.png")
    with pytest.raises(watchword.errors.ConfigError):
        watchword.search("red", config=tmp_path / "absent.yaml")


def test_the_example_of_the_document_runs(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(config.parent)
    exec(compile(documented("docs/python.md", "import watchword\n\nfor moment"), "docs/python.md", "exec"), {})
    assert re.match(r"door: \d{10} to \d{10} s, \d+%\n", capsys.readouterr().out)
