"""A package that installs files over ours is named, by ``doctor`` and where the command cannot start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.doctor import examine
from workers.installation import hidden, intruders, remedy
from workers.redaction import RedactedUrl


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages in which python-daemon is installed, as its wheel is laid out."""
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "__init__.py").write_text("raise_it = 1\n")
    info = tmp_path / "python_daemon-3.1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: python-daemon\nVersion: 3.1.2\n")
    (info / "RECORD").write_text("daemon/__init__.py,,\ndaemon/daemon.py,,\npython_daemon-3.1.2.dist-info/RECORD,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_nothing_is_in_the_way_here() -> None:
    assert intruders() == {}
    assert hidden() == set()


@pytest.mark.usefixtures("site")
def test_a_package_found_in_the_place_of_ours_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an editable installation, where nothing fails: our modules are found in the other package."""
    monkeypatch.delitem(sys.modules, "daemon")
    assert hidden() == {"daemon"}


@pytest.mark.parametrize("listed", [True, False])
def test_a_package_with_files_in_our_folders_is_named(site: Path, listed: bool) -> None:
    if listed:  # as Debian's packages have it, which list no files
        info = site / "python_daemon-3.1.2.dist-info"
        (info / "RECORD").unlink()
        (info / "top_level.txt").write_text("daemon\n")
    assert intruders() == {"daemon": ("python-daemon",)}


@pytest.mark.usefixtures("site")
def test_doctor_names_it() -> None:
    checks = (check for check in examine(RedactedUrl("embedded")) if check.name == "installation")
    found = next(checks)
    assert (found.status, found.detail) == (
        "warn",
        "python-daemon installs files into the package `daemon` of Watchword",
    )
    assert found.advice.startswith(
        "pip uninstall python-daemon, then pip install --force-reinstall --no-deps watchword"
    )


@pytest.mark.process
def test_the_command_names_it_where_it_cannot_start(site: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "watchword", "doctor"]
    done = subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "error: python-daemon has replaced the package `daemon` of Watchword"
    assert second.strip() == remedy(("python-daemon",))
    fine = subprocess.run([sys.executable, "-m", "watchword", "--version"], capture_output=True, text=True)
    assert fine.stdout.startswith("watchword ")
