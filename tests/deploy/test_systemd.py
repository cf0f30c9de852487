"""The systemd unit is one that systemd accepts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "watchword.service"


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is absent")
    # Verifying demands that the program exists, which it does only where Watchword is installed.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/watchword/bin/watchword", "/bin/true"))
    done = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_unit_drains_and_never_restarts_into_a_wrong_configuration() -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M))
    assert settings["KillMode"] == "mixed"
    assert settings["TimeoutStopSec"] == "15s"
    assert settings["RestartPreventExitStatus"] == "2"
    assert settings["DynamicUser"] == "yes"
