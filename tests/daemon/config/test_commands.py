"""``watchword check`` and ``watchword schema``, through the command line's own parser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from alignment.spans.budget import Budget
from daemon.checking import descriptions
from daemon.commands.run import run as run_daemon
from daemon.commands.setup.check import check
from daemon.commands.setup.schema import schema
from daemon.config import json_schema, load_config
from tests.support.clocks import FakeClock
from tests.support.streams.pipelines import ColourEncoder
from tests.support.videos.media import every, make_video
from workers.decisions.budgets.look_alikes import LookAlikes
from workers.decisions.budgets.store import BudgetKeys, BudgetStore
from workers.decisions.rules import RuleSet
from workers.errors import ModelUnavailable
from workers.events.schema import event_schema
from workers.publish.redis.errors import RedisMisused, RedisUnreachable
from workers.services.state import StateService
from workers.state_layout import StateLayout

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
  cat: {describe: "a [red] cat", max_false_alerts: 1/day, min_duration: 2s}
  dog: {describe: a dog, max_false_alerts: 2/h, modalities: [vision]}
"""


def test_a_right_file_is_shown_with_its_rules(run: Run, write: Callable[[str], Path]) -> None:
    done = run("check", write(GOOD))
    assert done.exit_code == 0
    for text in ("front", "a [red] cat", "p ≥ 0.7", "lasting 2 s"):
        assert text in " ".join(done.stdout.replace("│", " ").split()), text
    assert "warning: " in done.stderr
    assert "events.dog: no camera uses this event" in done.stderr
    assert "pl4nted" not in done.output


def test_each_event_is_shown_once_for_each_way_in_which_it_is_decided(run: Run, tmp_path: Path) -> None:
    cameras: dict[str, dict[str, Any]] = {
        "door": {"url": "rtsp://10.0.0.5/1", "events": {"cat": {"threshold": 0.4}, "dog": None}},
        "yard": {"url": "rtsp://10.0.0.6/1"},
        "gate": {"url": "rtsp://10.0.0.7/1"},
    }
    events = {name: {"describe": f"a {name}"} for name in ("person", "cat", "dog")}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"cameras": cameras, "events": events}, sort_keys=False))
    done = run("check", path)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    assert [row for row in rows if len(row) == 3] == [[n, c["url"], "1 fps"] for n, c in cameras.items()]
    assert [row for row in rows if len(row) == 4] == [
        ["person", "yard, gate", "a person", "vision"],
        ["cat", "door", "a cat", "vision; p ≥ 0.4"],
        ["cat", "yard, gate", "a cat", "vision"],
        ["dog", "all", "a dog", "vision"],
    ]


def test_it_warns_of_budgets_that_the_daemon_saw_exceeded(run: Run, write: Callable[[str], Path]) -> None:
    path = write(GOOD.replace("{cat: {threshold: 0.7}}", "[cat, dog]"))
    assert "over its budget" not in run("check", path).stderr
    config = load_config(path)
    budgets = {s.name: Budget(s.max_false_alerts_per_hour or 1.0) for s in config.event_specs("front")}
    for _ in range(9):
        budgets["cat"].allowance.count(0.99)
    keys = BudgetKeys.of(config.event_specs("front"), "lite similarity")
    state = StateService(budgets=StateLayout(config.state_dir).budgets)
    BudgetStore(state, "front", RuleSet((), (), budgets), keys, LookAlikes(ColourEncoder()), FakeClock()).save(
        force=True
    )
    done = run("check", path)
    assert done.exit_code == 0
    assert "event 'cat' on camera 'front' is over its budget: 9 events a day, budget 1" in done.stderr
    assert "'dog'" not in done.stderr


def test_a_right_file_as_json(run: Run, write: Callable[[str], Path]) -> None:
    done = run("check", write(GOOD + "uploads: {folder: in, done: out}\n"), "--json")
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert found["watches"]["front"]["events"][0]["threshold"] == 0.7
    assert [e["name"] for e in found["watches"]["uploads"]["events"]] == ["cat", "dog"]
    assert "pl4nted" not in done.output


def test_it_says_what_verifiers_are_sent_and_warns_of_what_does_not_work(
    run: Run, write: Callable[[str], Path]
) -> None:
    cloud = "{url: http://10.0.0.9/v1, model: large, key: pl4nted-key-of-mine}"
    config = (
        f"cameras: {{yard: {{url: rtsp://h/1, verifier: {cloud}}}, room: {{url: rtsp://h/2, verifier: none}}}}\n"
        "events: {cat: {describe: a cat, verify: label}, dog: {describe: a dog}}\n"
    )
    done = run("check", write(config))
    shown = " ".join(done.stdout.replace("│", " ").split())
    assert "http://10.0.0.9/v1 large up to 4 frames of each event with `verify` (yard: cat)" in shown
    assert "frames and words of yard" in shown
    assert "cat yard a cat vision; verify: label" in shown
    assert "dog all a dog vision" in shown
    assert "the key of http://10.0.0.9/v1 is sent without encryption" in done.stderr
    [sent] = json.loads(run("check", write(config), "--json").stdout)["verifiers"]
    assert (sent["model"], sent["key"], sent["verified"]) == ("large", True, {"yard": ["cat"]})
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
    described = "{glass: {describe: a modem is heard}, cat: {describe: человек с гитарой}}"
    events = f"cameras: {{a: {{url: a.mp4}}}}\nevents: {described}\n"
    done = run("check", write(events))
    assert done.exit_code == 0
    assert "'a modem is heard' cannot be heard" in done.stderr
    assert "'человек с гитарой' is in a language that is not understood, and is never reported" in done.stderr
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
    assert done.stdout.splitlines()[-2].split("│")[-2].strip() == "speech"


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ("state_dir: config.yaml", 2, "state_unusable"),
        ("uploads: {folder: config.yaml/in, done: done}", 2, "uploads.folder"),
        ("http: {host: 192.0.2.1, proxy: {addresses: [10.0.0.2]}}", 2, "http_address_invalid"),
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


def test_doubts_are_logged_before_anything_starts(write: Callable[[str], Path]) -> None:
    app = typer.Typer()
    app.command()(run_daemon)
    camera = "cameras: {a: {url: 'rtsp://viewer:$DOOR_PASSWORD@10.0.0.5/s'}}\n"
    config = write(camera + "events: {cat: {describe: a cat}}\nruntime: local\nstate_dir: config.yaml\n")
    done = CliRunner().invoke(app, [str(config)])
    first, last = done.stderr.splitlines()
    assert "cameras.a.url" in first
    assert "$NAME" in first
    assert "DOOR_PASSWORD" not in done.stderr
    assert "state_unusable" in last


def test_a_redis_url_that_is_none_is_a_matter_of_usage() -> None:
    assert RedisMisused("Redis at foo").exit_code == 2
    assert RedisUnreachable("Redis at foo").exit_code == 4


def test_how_a_description_is_read_is_shown(run: Run, write: Callable[[str], Path]) -> None:
    events = "cameras: {a: {url: a.mp4}}\nevents: {x: {describe: 两个人在门口}, y: {describe: a dog}}\n"
    done = run("check", write(events))
    assert "两个人在门口 → two people" in done.stdout
    assert "a dog →" not in done.stdout


LISTENING = "events: {price: {describe: someone talks about prices}, dog: {describe: a dog}}\n"


@pytest.mark.process
def test_a_file_that_does_not_exist_and_one_without_audio_are_warnings(
    run: Run, write: Callable[[str], Path], tmp_path: Path
) -> None:
    make_video(tmp_path / "silent.mp4", every(100, 5))
    make_video(tmp_path / "talking.mp4", every(100, 5), audio=(0, 0.5, 440))
    inputs = "cameras: {gone: {url: gone.mp4}, silent: {url: silent.mp4}, talking: {url: talking.mp4}}\n"
    done = run("check", write(inputs + LISTENING))
    assert done.exit_code == 0
    gone, silent = done.stderr.splitlines()
    assert "cameras.gone.url:" in gone
    assert gone.endswith("check the path or the stream's name")
    assert "cameras.silent: the camera sends no audio, and event 'price'" in silent
    assert silent.endswith("list other events under this camera's `events`")


def test_audio_that_is_turned_off_is_a_warning_of_its_own(run: Run, write: Callable[[str], Path]) -> None:
    done = run("check", write("cameras: {a: {url: 'rtsp://h/1', audio: false}}\n" + LISTENING))
    assert "`audio: false` is set, and event 'price'" in done.stderr
    assert "remove `audio: false`" in done.stderr


@pytest.mark.process
def test_cameras_are_opened_only_on_request(run: Run, write: Callable[[str], Path], tmp_path: Path) -> None:
    make_video(tmp_path / "talking.mp4", every(100, 5), audio=(0, 0.5, 440))
    inputs = "cameras: {door: {url: 'rtsp://u:pl4nted@127.0.0.1:9/door'}, file: {url: talking.mp4}}\n"
    path = write(inputs + LISTENING)
    assert run("check", path).stderr == ""
    done = run("check", path, "--connect")
    assert done.exit_code == 3
    assert "door: rtsp://***@127.0.0.1:9/door cannot be reached" in done.stdout
    assert done.stdout.splitlines()[-1] == "file: h264, 96x64, 10 fps, aac audio, 44.1 kHz"
    assert "pl4nted" not in done.output
    found = json.loads(run("check", path, "--connect", "--json").stdout)["opened"]
    assert found["door"]["error"] == "source_unreachable"
    assert (found["file"]["sends"]["video_codec"], found["file"]["sends"]["audio_hz"]) == ("h264", 44100)


@pytest.mark.parametrize(("describe", "code"), [("a dog", 0), ("an empty room", 2)])
def test_strict_fails_on_a_warning(run: Run, write: Callable[[str], Path], describe: str, code: int) -> None:
    path = write(f"cameras: {{a: {{url: 'rtsp://h/1'}}}}\nevents: {{x: {{describe: {describe}}}}}\n")
    assert run("check", path).exit_code == 0
    done = run("check", path, "--strict")
    assert done.exit_code == code
    assert bool(done.stderr) == bool(code)


def test_what_is_found_only_near_the_camera_is_a_note_which_strict_allows(
    run: Run, write: Callable[[str], Path]
) -> None:
    path = write("cameras: {a: {url: 'rtsp://h/1'}}\nevents: {x: {describe: a backpack}}\n")
    done = run("check", path, "--strict")
    assert done.exit_code == 0
    assert done.stderr.startswith("note: event 'x': 'a backpack': a backpack is found only where it is large")
    found = json.loads(run("check", path, "--json").stdout)
    assert (found["warnings"], len(found["notes"])) == ([], 1)


def test_what_is_unknown_is_shown_with_its_nearest_names(run: Run, write: Callable[[str], Path]) -> None:
    path = write("cameras: {a: {url: 'rtsp://h/1'}}\nevents: {fire: {describe: fire}, lock: {describe: a padlock}}\n")
    done = run("check", path)
    shown = " ".join(done.stdout.replace("│", " ").split())
    assert "fire → unknown here, nearest fire engine" in shown
    assert "a padlock →" not in shown
    assert "event 'fire': 'fire' is not known" in done.stderr
    found = json.loads(run("check", path, "--json").stdout)
    assert [e["read_as"] for e in found["watches"]["a"]["events"]][1] == ["padlock"]


def test_the_text_model_is_loaded_only_for_what_no_detector_judges(
    run: Run, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise ModelUnavailable("the text model is not installed", "pip install it")

    monkeypatch.setattr("workers.encoders.sentences.minilm.minilm_path", missing)
    descriptions._lite_names.cache_clear()  # another test may have loaded it
    cameras = "cameras: {a: {url: 'rtsp://h/1'}}\n"
    assert run("check", write(cameras + "events: {x: {describe: [two people, a red car, nobody]}}")).stderr == ""
    done = run("check", write(cameras + "events: {x: {describe: [a padlock, an empty room]}}"))
    assert done.exit_code == 0
    lines = [line.split(": ", 2)[-1] for line in done.stderr.splitlines()]
    assert lines[0] == "models: the text model is not installed — pip install it"
    assert "an empty place" in lines[1]


@pytest.mark.parametrize(
    ("speech", "warned"), [("language: zh", 1), ("language: en", 0), ("language: zh, model: small", 0)]
)
def test_a_language_that_the_speech_model_does_not_know(
    run: Run, write: Callable[[str], Path], speech: str, warned: int
) -> None:
    path = write(f"cameras: {{a: {{url: 'rtsp://h/1'}}}}\nspeech: {{{speech}}}\nevents: {{x: {{describe: a dog}}}}\n")
    assert run("check", path).stderr.count("knows English only, not 'zh' — set `speech.model`") == warned
