"""``watchword tag`` on real files, good and bad."""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from daemon.commands.tag import OutputFormat, Request, run, tag
from daemon.config.loader import config_from
from daemon.offline.describing import FileDescriber
from daemon.offline.tagging import Tagger, models_in_words, specs_of_texts
from daemon.vlm.factory import clients_of
from tests.daemon.captions.conftest import CAPTION, writes
from tests.support.serving.vlm_server import refuses, says, vlm_server

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

MakeVideo = Callable[[Path, Sequence[tuple[str, int]]], Path]

SPECS = specs_of_texts(["a red wall", "a blue wall"])


def ask(*files: Path, form: OutputFormat = OutputFormat.all, out: Any = None) -> Request:
    return Request([str(f) for f in files], SPECS, form, None if out is None else str(out))


def never() -> Tagger:
    raise AssertionError("there was nothing to tag")


def invoke(*arguments: Any) -> Any:
    app = typer.Typer()
    app.command()(tag)
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def test_results_lie_beside_the_file(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "späce 'quote' [red].mp4", [("green", 2), ("red", 3), ("blue", 1)])
    assert run(ask(video), lambda: tagger) == 0
    base = tmp_path / "späce 'quote' [red].watchword"
    document = json.loads(Path(f"{base}.json").read_text())
    assert [(e["event"], e["start"], e["end"]) for e in document["events"]] == [
        ("a_red_wall", 2, 5),
        ("a_blue_wall", 5, 6),
    ]
    assert document["file"] == str(video)
    assert document["duration"] == 6
    table = Path(f"{base}.csv").read_text("utf-8")
    assert table[0] == "\ufeff"  # so that Excel reads it as UTF-8
    rows = list(csv.DictReader(io.StringIO(table[1:], newline="")))
    assert [r["description"] for r in rows] == ["a red wall", "a blue wall"]
    assert "00:00:02.000 --> 00:00:05.000\na red wall (75 %)" in Path(f"{base}.vtt").read_text()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "2 events" in shown.err
    assert "späce 'quote' [red].mp4" in shown.err


def test_a_bad_file_is_told_and_the_others_are_tagged(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"\0 no video \xff" * 50)
    good = make_video(tmp_path / "good.mp4", [("red", 1)])
    assert run(ask(bad, tmp_path / "absent.mp4", good, out=tmp_path / "out"), lambda: tagger) == 3
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "good.watchword.csv",
        "good.watchword.json",
        "good.watchword.vtt",
    ]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 2
    assert "absent.mp4" in errors[0]
    assert f"{bad}: no media" in errors[1]
    assert errors[1].startswith("error [source_invalid]")


def test_json_has_a_line_for_each_input_that_cannot_be_read_too(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.mp4").write_text("Dear diary,\n")
    (tmp_path / "bad.mp4").write_bytes(b"\0 no video \xff" * 50)
    make_video(tmp_path / "good.mp4", [("red", 1)])
    given = [tmp_path / "notes.mp4", tmp_path / "bad.mp4", tmp_path / "good.mp4", tmp_path / "absent.mp4"]
    assert run(ask(*given, form=OutputFormat.json, out="-"), lambda: tagger) == 3
    documents = {Path(d["file"]).name: d for d in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {name: d["error"] and d["error"]["code"] for name, d in documents.items()} == {
        "notes.mp4": "source_invalid",
        "absent.mp4": "source_not_found",
        "bad.mp4": "source_invalid",
        "good.mp4": None,
    }
    assert "text" in documents["notes.mp4"]["error"]["message"]
    assert documents["bad.mp4"]["events"] == []
    assert documents["good.mp4"]["warnings"] == ["very short"]


def test_what_is_no_media_at_first_sight_is_refused_before_models_are_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in (("a.mp4", b"text, \xe7\x8c\xab"), ("b.mp4", b""), ("c.mp4", b"#EXTM3U\nhttp://x/")):
        (tmp_path / name).write_bytes(content)
    assert run(ask(tmp_path, tmp_path / "absent.mp4"), never, "loading models") == 3
    err = capsys.readouterr().err
    assert [line.split("]")[0] for line in err.splitlines()] == [
        "error [source_invalid",
        "error [source_invalid",
        "error [source_refused",
        "error [source_not_found",
    ]


def test_it_says_what_it_loads(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ask(make_video(tmp_path / "a.mp4", [("red", 2)])), lambda: tagger, "loading models: profile x")
    assert capsys.readouterr().err.startswith("loading models: profile x\n")
    assert models_in_words(None, None) == "profile lite, Whisper tiny.en for speech"
    assert models_in_words(None, "colour") == "profile colour"


def test_a_warning_is_told_and_kept(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 1)])
    assert run(ask(video, form=OutputFormat.json), lambda: tagger) == 0
    assert json.loads((tmp_path / "a.watchword.json").read_text())["warnings"] == ["very short"]
    assert f"warning: {video}: very short" in capsys.readouterr().err


def test_standard_output_has_data_only(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_video(tmp_path / name, [("red", 2)])
    assert run(ask(tmp_path, form=OutputFormat.json, out="-"), lambda: tagger) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(d["file"]).name for d in documents] == ["a.mp4", "b.mp4"]
    assert run(ask(tmp_path, form=OutputFormat.csv, out="-"), lambda: tagger) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [Path(r["file"]).name for r in rows] == ["a.mp4", "b.mp4"]
    assert run(ask(tmp_path / "a.mp4", form=OutputFormat.vtt, out="-"), lambda: tagger) == 0
    assert capsys.readouterr().out.startswith("WEBVTT\n\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_standard_output_takes_one_track_only(tmp_path: Path, make_video: MakeVideo) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_video(tmp_path / name, [("red", 1)])
    for form in (OutputFormat.vtt, OutputFormat.all):
        with pytest.raises(typer.BadParameter, match="a single file"):
            run(ask(tmp_path, form=form, out="-"), never)


def test_a_folder_gives_its_videos_once_and_keeps_their_places(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger
) -> None:
    inside = [tmp_path / "in" / name for name in ("b.MP4", "day 1/a.mp4", "day 2/a.mp4", ".hidden/a.mp4")]
    for path in inside:
        make_video(path, [("red", 1)])
    (tmp_path / "in" / "notes.txt").write_text("no video")
    request = ask(tmp_path / "in", inside[0], form=OutputFormat.vtt, out=tmp_path / "out")
    assert run(request, lambda: tagger) == 0
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.vtt"))
    assert found == ["b.watchword.vtt", "day 1/a.watchword.vtt", "day 2/a.watchword.vtt"]


def test_what_lies_in_a_folder_and_is_left_alone_is_told(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(tmp_path / "in" / "sub" / "a.mp4", [("red", 1)])
    make_video(tmp_path / "in" / "b.gif.mp4", [("red", 1)]).rename(tmp_path / "in" / "b.gif")
    for n in range(12):
        (tmp_path / "in" / "sub" / f"{n:02}.txt").touch()
    assert run(ask(tmp_path / "in", out=tmp_path / "out"), lambda: tagger) == 0
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.vtt")) == ["a.watchword.vtt", "b.watchword.vtt"]
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("left alone")]
    assert "sub/00.txt" in told
    assert told.endswith("and 2 more")


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path, make_video: MakeVideo, tagger: Tagger) -> None:
    video = make_video(tmp_path / "film.mp4", [("red", 2)]).rename(tmp_path / "film.txt")
    assert run(ask(video, form=OutputFormat.csv), lambda: tagger) == 0
    assert (tmp_path / "film.watchword.csv").exists()


def test_a_name_that_is_no_utf8_gives_valid_output(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 2)]).rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    assert run(ask(video), lambda: tagger) == 0
    (written,) = tmp_path.glob("*.json")
    assert json.loads(written.read_bytes().decode("utf-8"))["file"] == f"{tmp_path}/caf\ufffd.mp4"
    assert "1 event → " in capsys.readouterr().err


def test_names_do_not_command_the_terminal(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = tmp_path / "\x1b]0;owned\x07\x1b[2Jб猫\nerror: x.mp4"
    make_video(tmp_path / "a.mp4", [("red", 2)]).rename(hostile)
    broken = hostile.with_suffix(".mkv")
    broken.write_bytes(b"no video")
    assert run(ask(hostile, broken, tmp_path / "\x9bgone.mp4"), lambda: tagger) == 3
    told = capsys.readouterr().err
    assert all(c == "\n" or c.isprintable() for c in told)
    assert told.count("\\u001b[2Jб猫\\nerror: x.mp4: 1 event → ") == 1
    assert not any(line.startswith("error: ") for line in told.splitlines())


def test_nothing_to_look_for_is_a_usage_error(tmp_path: Path) -> None:
    result = invoke(tmp_path)
    assert result.exit_code == 2
    assert "say what to look for" in result.output


def test_a_bad_configuration_exits_2_and_names_the_line(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("events:\n  cat: {describe: a cat, treshold: 0.4}\n")
    for option in ("--config", "--events"):
        result = invoke(tmp_path, option, config)
        assert result.exit_code == 2
        assert "c.yaml:2" in result.stderr
        assert "treshold" in result.stderr


def test_one_configuration_only(tmp_path: Path) -> None:
    assert invoke(tmp_path, "--config", tmp_path / "a.yaml", "--events", tmp_path / "b.yaml").exit_code == 2


def test_a_description_is_held_to_the_rules_of_the_configuration(tmp_path: Path) -> None:
    result = invoke(tmp_path, "--event", "x" * 1001)
    assert result.exit_code == 2
    assert "1 to 1000 characters" in result.stderr


def test_input_that_is_not_there_exits_3(tmp_path: Path) -> None:
    result = invoke(tmp_path / "absent.mp4", tmp_path, "--event", "a cat")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "absent.mp4: no such file or folder" in result.stderr
    assert "no media files in this folder" in result.stderr


def test_a_stream_is_no_file_and_its_password_stays_secret() -> None:
    result = invoke("rtsp://viewer:geheim@camera/stream1", "--event", "a cat")
    assert result.exit_code == 3
    assert "watchword run" in result.stderr
    assert "geheim" not in result.output + result.stderr


def test_a_configuration_needs_no_cameras_here(tmp_path: Path) -> None:
    config = tmp_path / "events.yaml"
    config.write_text("events: {cat: {describe: a cat}}")
    done = invoke(tmp_path / "none.mp4", "--config", config)
    assert done.exit_code == 3
    assert "source_not_found" in done.stderr


@pytest.mark.realtime
def test_events_and_files_are_described_by_the_verifier_that_is_configured(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "clip.mp4", [("green", 2), ("red", 3)])
    with vlm_server(says(writes)) as model:
        config = config_from(
            {
                "models": {"verifier": {"url": model.url, "model": "tiny", "frames": 2}},
                "events": {"a": {"describe": "a"}},
            },
            tmp_path,
            "test",
        )
        clients = clients_of(config)
        client = clients.of("uploads")
        assert client is not None
        request = replace(ask(video), describer=FileDescriber(config, client))
        assert run(request, lambda: tagger) == 0
        document = json.loads((tmp_path / "clip.watchword.json").read_text(encoding="utf-8"))
        assert document["events"][0]["caption"]["text"] == CAPTION["caption"]
        assert (document["description"]["title"], document["description"]["text"]) == ("A film", "1 chapters.")
        assert [len(asked.jpegs) for asked in model.asked] == [2, 2, 0]
        assert CAPTION["caption"] in (tmp_path / "clip.watchword.vtt").read_text(encoding="utf-8")
        assert CAPTION["caption"] in (tmp_path / "clip.watchword.csv").read_text(encoding="utf-8")
        model.usual = refuses
        assert run(request, lambda: tagger) == 0
        assert "captions are missing" in capsys.readouterr().err
        assert "description" not in json.loads((tmp_path / "clip.watchword.json").read_text(encoding="utf-8"))
        clients.close()
    assert "needs `models.verifier`" in invoke(video, "--event", "a cat", "--describe").output
