"""``watchword check`` and ``watchword schema``, through the command line's own parser."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from daemon.commands.check import check
from daemon.commands.exits import exit_code
from daemon.commands.run import run as run_daemon
from daemon.commands.schema import schema
from daemon.config import json_schema
from workers.publish.redis_errors import RedisMisused, RedisUnreachable
from workers.publish.schema import event_schema

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CAMERA_KEY", "pl4nted-key")
    app = typer.Typer()
    app.command()(check)
    app.command()(schema)
    return lambda *args: CliRunner().invoke(app, [str(a) for a in args])


GOOD = """\
cameras:
  front: {url: "rtsp://u:pl4nted-pw@h/{CAMERA_KEY}", events: {cat: {threshold: 0.7}}}
events:
  cat: {describe: "a [red] cat", max_false_alerts: 1/day, min_duration: 2s, cooldown: 1m}
  dog: {describe: a dog, max_false_alerts: 2/h, modalities: [vision]}
"""


def test_a_right_file_is_shown_with_its_rules(run: Run, write: Callable[[str], Path]) -> None:
    done = run("check", write(GOOD))
    assert done.exit_code == 0
    for text in ("front", "a [red] cat", "p ≥ 0.7", "lasting 2 s", "quiet for 60 s"):
        assert text in " ".join(done.stdout.replace("│", " ").split()), text
    assert "warning: " in done.stderr
    assert "events.dog: no camera watches for this event" in done.stderr
    assert "pl4nted" not in done.output


def test_a_right_file_as_json(run: Run, write: Callable[[str], Path]) -> None:
    done = run("check", write(GOOD + "uploads: {folder: in, done: out}\n"), "--json")
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert found["watches"]["front"]["events"][0]["threshold"] == 0.7
    assert [e["name"] for e in found["watches"]["uploads"]["events"]] == ["cat", "dog"]
    assert "pl4nted" not in done.output


def test_mistakes_go_to_stderr_and_the_exit_code_is_2(run: Run, write: Callable[[str], Path]) -> None:
    path = write("camras: {}\nevents: {cat: {describe: ''}}\n")
    done = run("check", path)
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[1] == f'{path}:1: camras: unknown key — did you mean "cameras"?'
    assert len(lines) == 3
    found = json.loads(run("check", path, "--json").stdout)
    assert (found["ok"], found["problems"][1]["line"], found["problems"][1]["key"]) == (False, 1, "camras")


def test_a_missing_file(run: Run, tmp_path: Path) -> None:
    done = run("check", tmp_path / "none.yaml")
    assert done.exit_code == 2
    assert "none.yaml: no such file" in done.stderr


def test_schemas_are_json(run: Run) -> None:
    assert json.loads(run("schema").stdout) == json_schema()
    assert json.loads(run("schema", "--event").stdout) == event_schema()


def test_what_cannot_work_is_a_warning(run: Run, write: Callable[[str], Path], tmp_path: Path) -> None:
    events = (
        "cameras: {a: {url: a.mp4}}\nevents: {glass: {describe: breaking glass is heard}, cat: {describe: 一只猫}}\n"
    )
    done = run("check", write(events))
    assert done.exit_code == 0
    assert "'breaking glass is heard' cannot be heard" in done.stderr
    assert "English only, not '一只猫'" in done.stderr
    done = run("check", write(events + f"models: {{profile: transformers, model: {tmp_path}/none}}"), "--json")
    (message,) = [w["message"] for w in json.loads(done.stdout)["warnings"] if w["key"] == "models"]
    assert message.startswith("there is no folder")
    assert "English" not in done.stderr
    done = run("check", write(events + "models: {checkpoint: none.safetensors}"), "--json")
    (message,) = [w["message"] for w in json.loads(done.stdout)["warnings"] if w["key"] == "models.checkpoint"]
    assert message.endswith("none.safetensors cannot be read: No such file or directory")
    done = run("check", write(events + "http: {tls: {certificate: cert.pem, key: key.pem}}"), "--json")
    (message,) = [w["message"] for w in json.loads(done.stdout)["warnings"] if w["key"] == "http.tls"]
    assert message.endswith("cert.pem cannot be read: No such file or directory")


def test_the_modality_that_the_wording_chooses_is_shown(run: Run, write: Callable[[str], Path]) -> None:
    done = run("check", write("cameras: {a: {url: a.mp4}}\nevents: {x: {describe: someone talks about prices}}\n"))
    assert done.stdout.splitlines()[-3].split("│")[-2].strip() == "speech"


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ("state_dir: config.yaml", 2, "state_unusable"),
        ("uploads: {folder: config.yaml/in, done: done}", 2, "uploads.folder"),
        ("http: {host: 192.0.2.1, token: '0123456789abcdef'}", 2, "http_address_invalid"),
        ("http: {tls: {certificate: cert.pem, key: key.pem}}", 2, "http_tls_invalid"),
        ("models: {checkpoint: config.yaml}", 2, "checkpoint_invalid"),
    ],
)
def test_a_setting_that_does_not_work_here_is_one_line(
    write: Callable[[str], Path], settings: str, code: int, said: str
) -> None:
    app = typer.Typer()
    app.command()(run_daemon)
    base = "cameras: {a: {url: a.mp4}}\nevents: {cat: {describe: a cat}}\nruntime: local\n"
    done = CliRunner().invoke(app, [str(write(base + settings)), "--once"])
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_redis_url_that_is_none_is_a_matter_of_usage() -> None:
    assert exit_code(RedisMisused("Redis at foo")) == 2
    assert exit_code(RedisUnreachable("Redis at foo")) == 4
