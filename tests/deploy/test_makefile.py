"""The two commands: `make` installs once, and then only runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def planned(venv: Path, target: str) -> list[str]:
    """Return the commands that `make target` would run."""
    program = shutil.which("make")
    if program is None:
        pytest.skip("make is absent")
    done = subprocess.run(
        [program, "--dry-run", "--no-print-directory", f"VENV={venv}", target],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def install(venv: Path, *stamps: str) -> None:
    """Leave the traces of a finished installation."""
    (venv / "bin").mkdir(parents=True)
    for name in ("bin/python", *stamps):
        (venv / name).touch()


@pytest.mark.parametrize("target", ["run", "test", "check"])
def test_first_time_makes_the_venv_and_installs(tmp_path: Path, target: str) -> None:
    commands = planned(tmp_path / "venv", target)
    assert any("-m venv" in c for c in commands)
    assert any("pip install" in c for c in commands)


def test_second_run_only_runs(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    install(venv, ".installed-run")
    assert planned(venv, "run") == [f"{venv}/bin/watchword run daemon/sample/sample.yaml --once"]


def test_check_ends_with_the_tests_own_summary(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    install(venv, ".installed-run", ".installed-dev")
    commands = planned(venv, "check")
    assert [c.removeprefix(f"{venv}/bin/") for c in commands] == [
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "lint-imports",
        "python -m pytest",
    ]


def test_changed_dependencies_are_installed_again(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    install(venv, ".installed-run")
    os.utime(venv / ".installed-run", (0, 0))
    assert any("pip install" in c for c in planned(venv, "run"))


def test_ci_script_is_sound_and_calls_check() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert script.read_text().rstrip().endswith("\nmake check")
