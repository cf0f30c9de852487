"""``watchword tag`` on real files, good and bad."""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from daemon.commands.tag import OutputFormat, Request, run, tag
from daemon.exports import ExportError
from daemon.media_files import find_media
from daemon.tagging import Tagger, plan_outputs, specs_of_texts

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
    assert run(ask(video), lambda: tagger)
    base = tmp_path / "späce 'quote' [red].watchword"
    document = json.loads(Path(f"{base}.json").read_text())
    assert [(e["event"], e["start"], e["end"]) for e in document["events"]] == [
        ("a_red_wall", 2, 5),
        ("a_blue_wall", 5, 6),
    ]
    assert document["file"] == str(video)
    assert document["duration"] == 6
    rows = list(csv.DictReader(io.StringIO(Path(f"{base}.csv").read_bytes().decode(), newline="")))
    assert [r["description"] for r in rows] == ["a red wall", "a blue wall"]
    assert "00:00:02.000 --> 00:00:05.000\na_red_wall: a red wall (0.75)" in Path(f"{base}.vtt").read_text()
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
    assert not run(ask(bad, tmp_path / "absent.mp4", good, out=tmp_path / "out"), lambda: tagger)
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


def test_a_warning_is_told_and_kept(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 1)])
    assert run(ask(video, form=OutputFormat.json), lambda: tagger)
    assert json.loads((tmp_path / "a.watchword.json").read_text())["warnings"] == ["very short"]
    assert f"warning: {video}: very short" in capsys.readouterr().err


def test_standard_output_has_data_only(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_video(tmp_path / name, [("red", 2)])
    assert run(ask(tmp_path, form=OutputFormat.json, out="-"), lambda: tagger)
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(d["file"]).name for d in documents] == ["a.mp4", "b.mp4"]
    assert run(ask(tmp_path, form=OutputFormat.csv, out="-"), lambda: tagger)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [Path(r["file"]).name for r in rows] == ["a.mp4", "b.mp4"]
    assert run(ask(tmp_path / "a.mp4", form=OutputFormat.vtt, out="-"), lambda: tagger)
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
    assert run(request, lambda: tagger)
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.vtt"))
    assert found == ["b.watchword.vtt", "day 1/a.watchword.vtt", "day 2/a.watchword.vtt"]


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path, make_video: MakeVideo, tagger: Tagger) -> None:
    video = make_video(tmp_path / "film.mp4", [("red", 2)]).rename(tmp_path / "film.txt")
    assert run(ask(video, form=OutputFormat.csv), lambda: tagger)
    assert (tmp_path / "film.watchword.csv").exists()


def test_a_name_that_is_no_utf8_gives_valid_output(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 2)]).rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    assert run(ask(video), lambda: tagger)
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
    assert not run(ask(hostile, broken, tmp_path / "\x9bgone.mp4"), lambda: tagger)
    told = capsys.readouterr().err
    assert all(c == "\n" or c.isprintable() for c in told)
    assert told.count("\\u001b[2Jб猫\\nerror: x.mp4: 1 event → ") == 1
    assert not any(line.startswith("error: ") for line in told.splitlines())


def test_files_of_one_stem_keep_their_endings(tmp_path: Path, make_video: MakeVideo, tagger: Tagger) -> None:
    for name in ("a.mp4", "a.mkv", "b.mp4"):
        make_video(tmp_path / name, [("red", 1)])
    assert run(ask(tmp_path, form=OutputFormat.json), lambda: tagger)
    assert sorted(p.name for p in tmp_path.glob("*.json")) == [
        "a.mkv.watchword.json",
        "a.mp4.watchword.json",
        "b.watchword.json",
    ]


def test_two_files_never_share_a_result(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").touch()
    files, _ = find_media([str(tmp_path / "x" / "a.mp4"), str(tmp_path / "y" / "a.mp4")])
    assert len(set(plan_outputs(files, None).values())) == 2
    with pytest.raises(ExportError, match="two files would be written to"):
        plan_outputs(files, tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, make_video: MakeVideo) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 1)])
    with pytest.raises(ExportError, match="cannot write to"):
        run(ask(video, out=video / "below-a-file"), never)


def test_a_folder_for_pictures_that_cannot_be_written_is_told_too(tmp_path: Path, make_video: MakeVideo) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 1)])
    result = invoke(video, "--event", "a red wall", "--explain", video / "below-a-file")
    assert result.exit_code != 0
    assert "cannot write to" in result.stderr
    assert "--explain" in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_names_are_made_of_the_words_and_never_twice() -> None:
    specs = specs_of_texts(
        ["A cat, on the counter!", "a cat on the counter", "一只猫", "x" * 99, "hello " * 20], ["event"]
    )
    assert [s.name for s in specs] == [
        "a_cat_on_the_counter",
        "a_cat_on_the_counter_2",
        "event_2",
        "x" * 58,
        "hello_" * 8 + "hello",
    ]
    assert specs[2].describe == ("一只猫",)


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
    assert "no video files in this folder" in result.stderr


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
