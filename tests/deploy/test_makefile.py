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


LINTERS = ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
TESTS = "python -m pytest --numprocesses=4 --dist=loadgroup --no-loadscope-reorder --timeout=10"


def test_check_runs_every_linter_and_the_tests(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    install(venv, ".installed-run", ".installed-dev")
    commands = planned(venv, "check")
    ours = [c.removeprefix(f"{venv}/bin/") for c in commands if c.startswith(f"{venv}/bin/")]
    assert sorted(ours) == sorted([*LINTERS, TESTS])
    assert any("tsc --project tsconfig.json" in c for c in commands)


@pytest.mark.process
@pytest.mark.parametrize("failing", ["", "ruff", "mypy", "lint-imports", "tsc", "python"])
def test_linters_run_beside_the_tests_whose_summary_is_last(tmp_path: Path, failing: str) -> None:
    """Every program is a script that says when it runs; that of the tests waits for the last linter to begin."""
    venv, began = tmp_path / "venv", tmp_path / "began"
    install(venv, ".installed-run", ".installed-dev")
    scripts = {
        "ruff": "echo ruff says so",
        "mypy": "echo mypy says so",
        "lint-imports": "echo lint-imports says so",
        "tsc": f"touch {began}; echo tsc says so",
        "python": f"until [ -e {began} ]; do sleep 0.05; done; sleep 0.3; echo 3 passed",
    }
    for name, script in scripts.items():
        (venv / "bin" / name).write_text(f"#!/bin/sh\n{script}\nexit {int(name == failing)}\n")
        (venv / "bin" / name).chmod(0o755)
    for stamp in (".installed-run", ".installed-dev"):
        (venv / stamp).touch()
    command = ["make", f"VENV={venv}", "check"]
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"  # `tsc` is a program of the system, not of the venv
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=50, env={"PATH": path}, check=False
    )
    linters = scripts.keys() - {"python"}
    assert (done.returncode != 0) == bool(failing)
    assert done.stdout.rstrip().endswith("3 passed"), done.stdout
    for name in linters:
        assert f"{name} says so" in done.stdout
    if failing in linters:
        assert "Error 1" in done.stdout[: done.stdout.index("3 passed")]


def test_changed_dependencies_are_installed_again(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    install(venv, ".installed-run")
    os.utime(venv / ".installed-run", (0, 0))
    assert any("pip install" in c for c in planned(venv, "run"))


def test_ci_script_is_sound_and_calls_check() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert "\nmake check TIMEOUT=60  #" in script.read_text()
