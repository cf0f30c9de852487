"""Where the results of ``watchword tag`` are written, under which names, and what happens where that fails."""

import json
import os
from pathlib import Path

import pytest

from daemon.commands.tag import OutputFormat, run
from daemon.offline.exports import ExportError
from daemon.offline.media_files import encodable, find_media
from daemon.offline.tagging import Tagger, plan_outputs, specs_of_texts
from tests.daemon.commands.test_tag import MakeVideo, ask, invoke, never

pytestmark = pytest.mark.timeout(60)  # loads models, or trains


def test_files_of_one_stem_keep_their_endings(tmp_path: Path, make_video: MakeVideo, tagger: Tagger) -> None:
    for name in ("a.mp4", "a.mkv", "b.mp4"):
        make_video(tmp_path / name, [("red", 1)])
    assert run(ask(tmp_path, form=OutputFormat.json), lambda: tagger) == 0
    assert sorted(p.name for p in tmp_path.glob("*.json")) == [
        "a.mkv.watchword.json",
        "a.mp4.watchword.json",
        "b.watchword.json",
    ]


def test_two_files_never_share_a_result(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_bytes(b"\0media")
    files, _ = find_media([str(tmp_path / "x" / "a.mp4"), str(tmp_path / "y" / "a.mp4")])
    assert len(set(plan_outputs(files, None).values())) == 2
    with pytest.raises(ExportError, match="two files would be written to"):
        plan_outputs(files, tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, make_video: MakeVideo) -> None:
    video = make_video(tmp_path / "a.mp4", [("red", 1)])
    with pytest.raises(ExportError, match="cannot write to"):
        run(ask(video, out=video / "below-a-file"), never)


def test_a_result_that_cannot_be_written_costs_only_itself(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        make_video(tmp_path / f"{name}.mp4", [("red", 2)])
    (tmp_path / "b.watchword.csv").mkdir()
    assert run(ask(tmp_path), lambda: tagger) == ExportError.exit_code
    assert {p.name for p in tmp_path.glob("*.json")} == {f"{name}.watchword.json" for name in "abc"}
    assert (tmp_path / "b.watchword.vtt").is_file()
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert told.startswith("error [output_unwritable]")
    assert "b.mp4" in told
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cannot_be_written_costs_only_its_files(
    tmp_path: Path, make_video: MakeVideo, tagger: Tagger, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("in/1/a.mp4", "in/2/b.mp4"):
        make_video(tmp_path / name, [("red", 2)])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1").write_text("no folder")
    assert run(ask(tmp_path / "in", out=tmp_path / "out"), lambda: tagger) == ExportError.exit_code
    assert (tmp_path / "out" / "2" / "b.watchword.json").is_file()
    assert str(tmp_path / "in/1/a.mp4") in capsys.readouterr().err


@pytest.mark.parametrize("letter", ["x", "é", "漢", "\udce9"])
@pytest.mark.parametrize("size", [200, 236, 250, 255])
def test_a_name_of_any_length_has_its_results(
    size: int, letter: str, tmp_path: Path, make_video: MakeVideo, tagger: Tagger
) -> None:
    for name in ("a.mp4", "z.mp4"):
        make_video(tmp_path / name, [("red", 2)])
    wide = len(os.fsencode(letter))
    room = size - len(".mp4")
    names = [letter * (room // wide) + end * (room % wide) + ".mp4" for end in "mn"]
    for name in names:
        make_video(tmp_path / "a.mp4", [("red", 2)]).rename(tmp_path / name)
    make_video(tmp_path / "a.mp4", [("red", 2)])
    assert run(ask(tmp_path), lambda: tagger) == 0
    assert len(list(tmp_path.glob("*.watchword.json"))) == len({"a.mp4", "z.mp4", *names})
    documents = [json.loads(p.read_text()) for p in tmp_path.glob("*.watchword.json")]
    assert {d["file"] for d in documents} == {encodable(str(tmp_path / n)) for n in ("a.mp4", "z.mp4", *names)}
    assert not list(tmp_path.glob(".*"))


def test_names_that_are_too_long_to_exist_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ask(tmp_path / ("x" * 300)), never) == 3
    assert "File name too long" in capsys.readouterr().err


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
