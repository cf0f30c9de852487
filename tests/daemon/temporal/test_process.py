"""A daemon with two cameras: rules over both, published, alerted and listed; killed, and started again."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.daemon import ALWAYS, published, running, watchword, write_config

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

CAMERA = "synthetic://pattern?seconds=3600&width=64&height=48&fps=5&pace=1"
EVENTS = ALWAYS | {
    "never": {"describe": "a red picture", "threshold": 0.999},
    "both": {"when": "door.something and yard.something"},
    "quiet": {"when": "no yard.never for 3s"},
    "loud": {"when": "no yard.something for 3s"},
}


def test_rules_of_two_cameras_in_a_daemon_that_is_killed(tmp_path: Path) -> None:
    cameras = {name: {"url": CAMERA.replace("64", str(width))} for name, width in (("door", 64), ("yard", 80))}
    redis: dict[str, Any] = {"url": "embedded"}
    config = write_config(tmp_path, cameras=cameras, events=EVENTS, redis=redis)
    with running(config, tmp_path) as daemon:
        daemon.wait_for('"event_name": "both"')
        daemon.wait_for('"event_name": "quiet"')
        daemon.end(signal.SIGKILL)
    with running(config, tmp_path) as daemon:
        daemon.wait_for('"event_name": "both"')
        daemon.wait_for('"event_name": "quiet"')
        assert daemon.end() == 0, daemon.log()[-3000:]
    revisions = published(tmp_path, all_revisions=True)
    made = [r for r in revisions if r["event"] in ("both", "quiet", "loud")]
    assert "loud" not in {r["event"] for r in made}
    by_id = {one["id"]: [r for r in made if r["id"] == one["id"]] for one in made}
    assert {r["event"] for r in made} == {"both", "quiet"}
    for revisions_of_one in by_id.values():  # no revision twice, none missing
        found = sorted(r["revision"] for r in revisions_of_one)
        assert found == list(range(len(found)))
        assert {r["type"] for r in revisions_of_one} >= {"new", "end"}
    both = next(r for r in made if r["event"] == "both")
    assert {(part["camera"], part["event"]) for part in both["parts"]} == {("door", "something"), ("yard", "something")}
    assert (both["camera"], both["cameras"]) == ("door", ["door", "yard"])
    shown = watchword("events", "list", "--event", "both", "--state-dir", tmp_path / "state")
    assert "both" in shown.stdout
