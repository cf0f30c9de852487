"""The wall clock is set by hours while a daemon watches; the monotonic clock goes on, as it does then."""

import re
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.programs.daemon import ALWAYS, ENDLESS, published, running, write_config

pytestmark = [pytest.mark.process, pytest.mark.realtime]

STEPPED = """
import pathlib, sys, time
set_by, real = pathlib.Path(sys.argv.pop(1)), time.time
time.time = lambda: real() + float(set_by.read_text())
from daemon.cli import main
main()
"""


def test_a_daemon_goes_on_and_its_event_is_as_long_as_it_was(tmp_path: Path) -> None:
    step = tmp_path / "step"
    step.write_text("0")
    camera = {"url": ENDLESS, "stall_timeout": 1}  # a standstill of four seconds would end it
    config = write_config(tmp_path, cameras={"endless": camera}, events=ALWAYS)
    began = time.monotonic()
    with running(config, tmp_path, (sys.executable, "-c", STEPPED, str(step))) as daemon:
        daemon.wait_for('"type": "new"')
        match = re.search(r'"url": "(http://[^"]+)"', daemon.log())
        assert match, daemon.log()
        for hours in (-3, 3):
            step.with_suffix(".new").write_text(str(3600 * hours))
            step.with_suffix(".new").replace(step)
            time.sleep(3.0)
            health = httpx.get(f"{match[1]}/healthz")
            assert health.status_code == 200, health.text
            assert health.json()["cameras"]["endless"]["restarts"] == 0
        assert daemon.end() == 0
        seconds = time.monotonic() - began
    (event,) = published(tmp_path)
    assert event["type"] == "end"
    assert 6.0 <= event["end"] - event["start"] <= seconds
