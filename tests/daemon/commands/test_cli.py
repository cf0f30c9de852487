"""The list of commands: fast, and as the commands themselves say."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from daemon.cli import COMMANDS, app
from tests.support.streams.pipelines import RED_TWICE, write_colours

HEAVY = {"PIL", "av", "fastapi", "matplotlib", "numpy", "psutil", "pydantic", "ray", "redis", "structlog", "torch"}
LOADED = """
import sys
from daemon.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a command has imported when it ends."""
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Usage: " in done.stdout
    return set(done.stderr.split())


@pytest.mark.process
def test_the_list_of_commands_loads_nothing_heavy() -> None:
    assert loaded("--help") & HEAVY == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_the_first_of_its_help(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    assert lines[0].startswith(f"Usage: watchword {name} ")
    assert lines[1] == COMMANDS[name][1]


def test_every_command_is_listed_in_its_order() -> None:
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    positions = [done.output.index(help_line) for _, help_line in COMMANDS.values()]
    assert positions == sorted(positions)
    assert list(get_command(app).commands) == list(COMMANDS)  # type: ignore[attr-defined]  # a Typer with commands


def test_a_mistyped_command_is_a_usage_error_with_the_nearest_name() -> None:
    done = CliRunner().invoke(app, ["docter"])
    assert done.exit_code == 2
    assert "Did you mean 'doctor'?" in done.output


def test_the_version_is_that_of_the_installed_package() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.output == f"watchword {version('watchword')}\n"


@pytest.mark.process
def test_a_run_without_models_loads_no_torch(tmp_path: Path) -> None:
    """Loading it takes longer than all the rest."""
    config = tmp_path / "config.yaml"
    video = write_colours(tmp_path / "colours.mp4", RED_TWICE)
    settings = {
        "redis": {"url": "embedded"},
        "runtime": "local",
        "models": {"profile": "colour"},
        "speech": {"enabled": False},
        "http": {"port": 0},
        "cameras": {"c": {"url": str(video)}},
        "events": {"red": {"describe": "red"}},
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-c", LOADED, "run", str(config), "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert '"event": "red"' in done.stdout or '"event":"red"' in done.stdout
    assert "fastapi" in done.stderr.splitlines()[-1].split()
    assert "torch" not in done.stderr.splitlines()[-1].split()
