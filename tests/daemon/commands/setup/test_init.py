"""``watchword init``: asks, tries, judges, writes; replaces nothing unasked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from daemon.commands.setup.init import init
from daemon.config import load_config

pytestmark = pytest.mark.timeout(60)  # opens a decoder process

MakeVideo = Callable[[Path, Sequence[tuple[str, int]]], Path]
OPTIONS = ("--url", "rtsp://viewer:geheim@10.0.0.5/1", "--event", "a dog", "--no-connect")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: Any, answers: Sequence[str] = ()) -> Result:
    app = typer.Typer()
    app.command()(init)
    given = "".join(f"{answer}\n" for answer in answers)
    return CliRunner().invoke(app, [str(a) for a in arguments], input=given, env={"COLUMNS": "200"})


def test_four_questions_make_a_configuration(here: Path, make_video: MakeVideo) -> None:
    make_video(here / "film.mp4", [("red", 2)])
    answers = ["rtsp:/x", "gone.mp4", "n", "film.mp4"]  # a mistake, a file that cannot be opened and is not taken
    answers += ["", "a dog", "someone climbs a fence", "n", "someone asks for help", ""]
    answers += ["http://redis", "redis://10.0.0.9/0", "often", "2/day"]
    done = run(answers=answers)
    assert done.exit_code == 0, done.output
    for text in (
        "two slashes",
        "gone.mp4 does not exist",
        "film: mpeg4, 64x48, 5 fps, no audio",
        "'a dog' is read as 'a dog'",
        "'climbs' cannot be judged",
        "not a Redis URL",
        "not a budget",
        "watchword check config.yaml",
    ):
        assert text in done.stderr, text
    config = load_config(here / "config.yaml")
    (camera,) = config.camera_specs()
    assert (camera.name, camera.url.reveal()) == ("film", str(here / "film.mp4"))
    assert [(e.name, e.describe) for e in config.event_specs()] == [
        ("a_dog", ("a dog",)),
        ("someone_asks_for_help", ("someone asks for help",)),
    ]
    assert [round(24 * (e.max_false_alerts_per_hour or 0)) for e in config.event_specs()] == [2, 2]
    assert config.redis.url.reveal() == "redis://10.0.0.9/0"
    assert config.warnings == ()


def test_options_are_not_asked_for_and_the_password_is_in_the_file_only(here: Path) -> None:
    done = run(*OPTIONS, "--redis", "embedded", "--false-alerts", "none")
    assert done.exit_code == 0, done.output
    config = load_config(here / "config.yaml")
    assert config.cameras["camera"].url.reveal() == OPTIONS[1]
    assert config.described["a_dog"].max_false_alerts is None
    assert (here / "config.yaml").stat().st_mode & 0o777 == 0o600
    assert "geheim" not in done.output


def test_nothing_is_replaced_unasked(here: Path) -> None:
    (here / "config.yaml").write_text("mine")
    for arguments, answers in ((("--yes", *OPTIONS), []), (OPTIONS, ["n"]), (OPTIONS, [])):
        done = run(*arguments, answers=answers)
        assert done.exit_code == 2, done.output
        assert (here / "config.yaml").read_text() == "mine"
    assert run(*OPTIONS, "--redis", "embedded", "--false-alerts", "1/day", answers=["y"]).exit_code == 0
    assert "a dog" in (here / "config.yaml").read_text()
    assert run("--yes", "--force", *OPTIONS, "--event", "a cat").exit_code == 0
    assert "a cat" in (here / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--yes", "--url", "a.mp4"), "--url and --event"),
        (("--from-frigate", "f.yml", "--url", "a.mp4"), "from the file"),
        ((), "without a terminal"),
        (("--yes", "--url", "rtmp://x/1", "--event", "a dog"), "not supported"),
        (("--yes", *OPTIONS, "--false-alerts", "often"), "not a budget"),
        (("--yes", *OPTIONS, "--redis", "x"), "not a Redis URL"),
    ],
)
def test_mistakes_write_nothing(here: Path, arguments: Sequence[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(here.iterdir()) == []


def test_a_file_is_found_from_where_the_configuration_lies(here: Path, make_video: MakeVideo) -> None:
    make_video(here / "film#1.mp4", [("red", 2)])
    done = run("sub/config.yaml", "--yes", "--url", "./film#1.mp4", "--event", "a red wall")
    assert done.exit_code == 0, done.output
    assert "film_1: mpeg4" in done.stderr
    assert load_config(here / "sub" / "config.yaml").camera_specs()[0].url.reveal() == str(here / "film#1.mp4")


def test_frigates_cameras_are_tried_and_their_passwords_wanted(
    here: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FRIGATE_PASSWORD", raising=False)
    film = make_video(here / "film.mp4", [("red", 2)])
    urls = {"film": str(film), "door": "rtsp://viewer:{FRIGATE_PASSWORD}@10.0.0.5/1"}
    cameras = {n: {"ffmpeg": {"inputs": [{"path": u, "roles": ["detect"]}]}} for n, u in urls.items()}
    (here / "frigate.yml").write_text(yaml.safe_dump({"cameras": cameras, "objects": {"track": ["person", "car"]}}))
    done = run("--from-frigate", "frigate.yml")
    assert done.exit_code == 0, done.output
    assert "film: mpeg4, 64x48" in done.stderr
    assert "export FRIGATE_PASSWORD" in done.stderr
    config = load_config(here / "config.yaml", {"FRIGATE_PASSWORD": "geheim"})
    assert config.cameras["door"].url.reveal() == "rtsp://viewer:geheim@10.0.0.5/1"
    assert [e.describe for e in config.event_specs()] == [("a person",), ("a car",)]


def test_what_does_not_open_is_written_with_the_reason_and_the_exit_code_says_so(here: Path) -> None:
    done = run("--yes", "--url", "rtsp://viewer:geheim@127.0.0.1:9/1", "--event", "a dog")
    assert done.exit_code == 3, done.output
    assert "written, but not opened: camera; watchword check --connect config.yaml tries again" in done.stderr
    text = (here / "config.yaml").read_text()
    assert "# It did not open when this was written: rtsp://***@127.0.0.1:9/1 cannot be reached" in text
    assert load_config(here / "config.yaml").cameras["camera"].url.reveal() == "rtsp://viewer:geheim@127.0.0.1:9/1"
    assert "geheim" not in done.output


def test_what_was_taken_all_the_same_ends_well(here: Path) -> None:
    answers = ["gone.mp4", "y", "a dog", "", "embedded", "none"]
    done = run(answers=answers)
    assert done.exit_code == 0, done.output
    assert "gone.mp4 does not exist" in (here / "config.yaml").read_text()
