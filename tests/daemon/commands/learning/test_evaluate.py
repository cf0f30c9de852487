"""``watchword eval`` on real little videos with a true timeline."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from daemon.commands.learning.evaluate import Request, evaluate, print_table, run
from daemon.evaluation.run import MissingVideosError, UnreadableVideosError, Watcher, find_videos
from daemon.offline.exports import ExportError

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

MakeVideo = Callable[[Path, Sequence[tuple[str, int]]], Path]


def row(qid: int, query: str, vid: str, duration: float, *windows: list[float], kind: str = "object") -> dict[str, Any]:
    return {
        "qid": qid,
        "query": query,
        "vid": vid,
        "duration": duration,
        "relevant_windows": list(windows),
        "modality": "vision",
        "kind": kind if windows else "absent",
        "source": "test",
    }


ROWS = (
    row(0, "a red wall", "one", 6, [2, 5]),
    row(1, "a blue wall", "one", 6, [0, 2]),
    row(2, "a blue wall", "two", 2),
    row(3, "a green wall", "two", 2, [0, 2], kind="paraphrase"),
    row(4, "someone says red alert", "one", 6),  # the tagger falls for the word
)


@pytest.fixture
def task(tmp_path: Path, make_video: MakeVideo) -> Request:
    make_video(tmp_path / "videos" / "one.mp4", [("blue", 2), ("red", 3), ("green", 1)])
    make_video(tmp_path / "videos" / "two.mp4", [("green", 2)])
    make_video(tmp_path / "videos" / "not annotated.mp4", [("green", 1)])
    annotations = tmp_path / "a.jsonl"
    annotations.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    return Request(annotations, tmp_path / "videos", tmp_path / "p.jsonl", None)


def never() -> AbstractContextManager[Watcher]:
    raise AssertionError("there was nothing to watch")


def invoke(*arguments: Any) -> Any:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def test_decided_events_are_held_against_the_truth(task: Request, tagger: Any) -> None:
    document = run(task, lambda: nullcontext(tagger))
    figures = document["overall"]
    assert (figures["n_queries"], figures["n_gt"], figures["n_pred"]) == (5, 3, 4)
    assert figures["tIoU@0.5"] | {"false_alerts_per_query_hour": 0, "ci95": None} == {
        "precision": 0.75,
        "recall": 1,
        "f1": 0.8571,
        "tp": 3,
        "false_alerts_per_query_hour": 0,
        "detection_delay_s": 0,
        "abs_start_error_s": 0,
        "abs_end_error_s": 0,
        "ci95": None,
    }
    assert document["per_kind"]["absent"]["absent"]["silent_rate"] == 0.5
    assert document["per_family"]["absent"]["absent"]["n_pred"] == 1
    assert document["per_kind"]["paraphrase"]["tIoU@0.5"]["f1"] == 1
    assert document["input"]["annotations"] == str(task.annotations)


def test_each_video_is_watched_once_for_its_own_queries_and_no_other_is(task: Request, tagger: Any) -> None:
    run(task, lambda: nullcontext(tagger))
    asked = {path.stem: [(s.name, s.describe) for s in specs] for path, specs in tagger.asked.items()}
    assert asked == {
        "one": [("q0", ("a red wall",)), ("q1", ("a blue wall",)), ("q4", ("someone says red alert",))],
        "two": [("q2", ("a blue wall",)), ("q3", ("a green wall",))],
    }


def test_predictions_are_written_a_line_a_query_and_give_the_same_figures(task: Request, tagger: Any) -> None:
    document = run(task, lambda: nullcontext(tagger))
    assert task.predictions is not None
    lines = [json.loads(line) for line in task.predictions.read_text().splitlines()]
    assert lines[0] == {
        "qid": 0,
        "query": "a red wall",
        "vid": "one",
        "pred_relevant_windows": [[2.0, 5.0, 0.75]],
    }
    assert [x["qid"] for x in lines] == [0, 1, 2, 3, 4]
    assert lines[2]["pred_relevant_windows"] == []
    again = run(Request(task.annotations, None, None, task.predictions), never)
    assert {k: v for k, v in again.items() if k != "input"} == {k: v for k, v in document.items() if k != "input"}
    assert again["input"]["queries_without_line"] == 0


def test_the_table_has_every_kind(task: Request, tagger: Any, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(run(task, lambda: nullcontext(tagger)))
    table = capsys.readouterr().out
    for word in ("overall", "object", "paraphrase", "absent", "F1@.3", "false/h", "0.857", "95 %", "0.80–1.00"):
        assert word in table
    assert "…" not in table  # nothing was cut off


def test_the_command_prints_json_of_given_predictions(task: Request, tmp_path: Path) -> None:
    given = tmp_path / "given.jsonl"
    given.write_text('{"qid": 0, "pred_relevant_windows": [[2, 5]]}\n{"qid": 77}\n')
    result = invoke("--annotations", task.annotations, "--from-predictions", given, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["overall"]["tIoU@0.5"]["recall"] == 0.3333
    assert document["input"]["unknown_qids"] == 1
    assert document["input"]["from_predictions"] == str(given)
    assert "overall" in invoke("--annotations", task.annotations, "--from-predictions", given).stdout


def test_saliency_scores_bring_the_official_figures(task: Request, tmp_path: Path) -> None:
    rated = {"relevant_clip_ids": [1], "saliency_scores": [[4, 3, 2]]}
    task.annotations.write_text(json.dumps(ROWS[0] | rated) + "\n")
    given = tmp_path / "given.jsonl"
    given.write_text('{"qid": 0, "pred_relevant_windows": [[2, 5, 1]], "pred_saliency_scores": [0, 1, 0]}\n')
    arguments = ("--annotations", task.annotations, "--from-predictions", given)
    brief = json.loads(invoke(*arguments, "--json").stdout)["qvhighlights"]["brief"]
    assert (brief["MR-full-R1@0.7"], brief["MR-short-mAP"], brief["HL-min-VeryGood-Hit1"]) == (100, 100, 100)
    table = invoke(*arguments).stdout
    assert "mAP@average" in table
    assert "VeryGood" in table
    task.annotations.write_text(json.dumps(ROWS[0]) + "\n")
    assert json.loads(invoke(*arguments, "--json").stdout)["qvhighlights"] is None


def test_videos_that_are_missing_are_listed(task: Request) -> None:
    assert task.videos is not None
    (task.videos / "one.mp4").unlink()
    (task.videos / "two.mp4").rename(task.videos / "two.json")
    result = invoke("--annotations", task.annotations, "--videos", task.videos)
    assert result.exit_code == 3
    assert "no video for one, two" in result.stderr
    assert result.stdout == ""


def test_a_name_that_two_files_have_is_told(task: Request, make_video: MakeVideo) -> None:
    assert task.videos is not None
    make_video(task.videos / "two.mkv", [("red", 1)])
    with pytest.raises(MissingVideosError, match=r"two\.mkv, two\.mp4"):
        find_videos(task.videos, ["one", "two"])
    with pytest.raises(MissingVideosError, match="is not a folder"):
        find_videos(task.annotations, ["one"])


def test_many_missing_videos_are_counted(tmp_path: Path) -> None:
    with pytest.raises(MissingVideosError, match=r"v09 and 20 more"):
        find_videos(tmp_path, [f"v{i:02d}" for i in range(30)])


def test_a_video_that_cannot_be_read_gives_no_figures(task: Request, tagger: Any) -> None:
    assert task.videos is not None
    assert task.predictions is not None
    (task.videos / "two.mp4").write_text("no video")
    with pytest.raises(UnreadableVideosError, match=r"1 of 2 videos could not be read: two\.mp4: no media"):
        run(task, lambda: nullcontext(tagger))
    assert not task.predictions.exists()


def test_a_bad_line_exits_3_and_is_named(task: Request) -> None:
    task.annotations.write_text(json.dumps(ROWS[0]) + '\n{"qid": 1}\n')
    result = invoke("--annotations", task.annotations, "--videos", task.videos)
    assert result.exit_code == 3
    assert "a.jsonl:2: duration is missing" in result.stderr


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"\n"])
def test_annotations_that_cannot_be_read_exit_3(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    result = invoke("--annotations", path, "--videos", tmp_path)
    assert result.exit_code == 3
    assert "a.jsonl" in result.stderr


def test_videos_or_predictions_are_needed_and_not_both(task: Request) -> None:
    assert invoke("--annotations", task.annotations).exit_code == 2
    both = ("--videos", task.videos, "--from-predictions", task.annotations)
    assert invoke("--annotations", task.annotations, *both).exit_code == 2
    written = ("--predictions", "p", "--from-predictions", task.annotations)
    assert invoke("--annotations", task.annotations, *written).exit_code == 2


def test_a_narrow_terminal_gets_every_figure_in_full(
    task: Request, tagger: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the output for a terminal then
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "25")
    print_table(run(task, lambda: nullcontext(tagger)))
    table = capsys.readouterr().out
    assert "…" not in table
    assert "paraphrase" in table
    assert "delay s" in table


def test_predictions_that_could_not_be_written_are_told_before_any_work(task: Request) -> None:
    place = task.annotations / "p.jsonl"  # below a file
    with pytest.raises(ExportError, match="--predictions"):
        run(Request(task.annotations, task.videos, place, None), never)


def test_trust_in_scores_is_told_of_what_there_is(task: Request, tagger: Any) -> None:
    document = run(task, lambda: nullcontext(tagger))
    events = document["calibration"]["events"]
    assert events["n"] == 4
    # 0.75, 0.5 and 0.5 were right, 0.75 was not
    assert events["ece"] == pytest.approx((2 * (0.75 - 0.5) + 2 * (1 - 0.5)) / 4)
    assert document["calibration"]["seconds"] is None  # this tagger keeps no scores
    assert document["retrieval"] == {}


def test_plots_need_no_videos(task: Request, tagger: Any, tmp_path: Path) -> None:
    run(task, lambda: nullcontext(tagger))
    given = ("--from-predictions", task.predictions, "--plots", tmp_path / "new" / "plots")
    result = invoke("--annotations", task.annotations, *given)
    assert result.exit_code == 0, result.output
    drawn = {path.name for path in (tmp_path / "new" / "plots").iterdir()}
    assert {"index.html", "timelines_one.png", "timelines_two.png", "reliability.png"} <= drawn
    assert "0.857" in (tmp_path / "new" / "plots" / "index.html").read_text()


def test_a_place_for_plots_that_cannot_be_written_is_told_before_any_work(task: Request) -> None:
    with pytest.raises(ExportError, match="--plots"):
        run(Request(task.annotations, task.videos, None, None, task.annotations / "plots"), never)


def test_a_picture_that_is_missing_is_told_before_any_work(task: Request) -> None:
    task.annotations.write_text(json.dumps(ROWS[0] | {"image": "pictures/red.png"}))
    result = invoke("--annotations", task.annotations, "--videos", task.videos)
    assert result.exit_code == 3
    assert f"there is no image {task.annotations.parent / 'pictures' / 'red.png'}" in result.stderr
