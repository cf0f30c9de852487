"""JSON, CSV and WebVTT of found events, and files that are whole or not there."""

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.offline.exports import (
    CSV_HEADER,
    ExportError,
    Tagged,
    csv_text,
    json_line,
    json_text,
    render,
    vtt_text,
    vtt_time,
    write_atomic,
)
from tests.support.events import make_event
from workers.errors import SourceInvalid
from workers.events.event import Event
from workers.types import Utterance

CUE_TIMES = re.compile(r"^(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})$")
EVIDENCE = {"snapshot": None, "clip": None, "top_frames": [[2.0, 0.9]], "words": []}


def event(start: float, end: float, name: str = "cat", describe: tuple[str, ...] = ("a cat",), **body: Any) -> Event:
    head: dict[str, Any] = {"type": "end", "id": f"{name}-{start}", "revision": 2, "event": name, "score": 0.87654}
    details = {"description": describe, "evidence": EVIDENCE, "model": "lite/lite0@1"} | body
    return make_event(camera="upload", start=start, end=end, **head, **details)


def cues(text: str) -> list[tuple[str, float, float, str]]:
    """Read WebVTT (https://www.w3.org/TR/webvtt1/), blocks between blank lines; fail on anything else."""
    assert "\r" not in text
    head, *blocks = re.split(r"\n{2,}", text.rstrip("\n"))
    assert head == "WEBVTT"
    found = []
    for block in blocks:
        if block.startswith("NOTE\n"):
            assert "-->" not in block
            continue
        name, times, *payload = block.split("\n")
        assert "-->" not in name
        match = CUE_TIMES.match(times)
        assert match, times
        h1, m1, s1, ms1, h2, m2, s2, ms2 = map(int, match.groups())
        start, end = (h1 * 60 + m1) * 60 + s1 + ms1 / 1000, (h2 * 60 + m2) * 60 + s2 + ms2 / 1000
        assert end > start
        assert not any("-->" in row for row in payload)
        found.append((name, start, end, "\n".join(payload)))
    assert [c[1] for c in found] == sorted(c[1] for c in found)
    return found


def unescaped(text: str) -> str:
    assert "<" not in text
    assert ">" not in text
    assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_json_tells_file_model_and_events_in_time() -> None:
    tagged = Tagged("späce 'q\".mp4", 12.34567, (event(5.00049, 6, "b"), event(1, 2, "a")), ("cut short",))
    document = json.loads(json_text(tagged))
    assert (document["schema"], document["file"], document["duration"]) == (1, "späce 'q\".mp4", 12.346)
    assert (document["model"], document["warnings"]) == ("lite/lite0@1", ["cut short"])
    assert [(e["event"], e["start"], e["end"]) for e in document["events"]] == [("a", 1, 2), ("b", 5, 6)]
    assert document["events"][0] == {
        "id": "a-1",
        "event": "a",
        "description": ["a cat"],
        "start": 1,
        "end": 2,
        "score": 0.8765,
        "modalities": {"vision": 0.75, "speech": 0.25, "sound": 0.0},
        "evidence": EVIDENCE,
        "over_budget": False,
    }


def test_json_line_is_one_line_and_the_same_document() -> None:
    tagged = Tagged("a\nb.mp4", 3, (event(1, 2, describe=("two\nlines", "一只猫")),))
    line = json_line(tagged)
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(json_text(tagged))
    assert "一只猫" in line


def test_a_file_without_events_has_an_empty_document_a_header_and_a_valid_track() -> None:
    tagged = Tagged("a.mp4", 3, ())
    assert json.loads(json_text(tagged))["events"] == []
    assert json.loads(json_text(tagged))["model"] is None
    assert csv_text(tagged) == ",".join(CSV_HEADER) + "\r\n"
    assert cues(vtt_text(tagged)) == []


def test_csv_is_rfc_4180_and_reads_back() -> None:
    nasty = 'say "cheese", then\nsmile'
    tagged = Tagged('my, "file".mp4', 9, (event(1, 2.5, "猫", (nasty, "x")), event(3, 4)))
    text = csv_text(tagged)
    assert '"say ""cheese"", then\nsmile | x"' in text
    assert text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == CSV_HEADER
    assert (rows[0]["file"], rows[0]["event"], rows[0]["description"]) == (tagged.file, "猫", f"{nasty} | x")
    assert (rows[0]["start"], rows[0]["end"], rows[0]["score"]) == ("1.0", "2.5", "0.8765")
    assert (rows[0]["vision"], rows[0]["speech"]) == ("0.75", "0.25")
    assert (rows[0]["words"], rows[0]["snapshot"], rows[0]["over_budget"]) == ("", "", "no")
    assert csv_text(tagged, header=False) == text.split("\r\n", 1)[1]


def spoken(start: float, *said: str, speech: float = 1.0) -> Event:
    words = [{"start": start, "end": start + 0.5, "text": text, "confidence": 0.9} for text in said]
    modalities = {"vision": 1 - speech, "speech": speech, "sound": 0.0}
    return event(start, start + 1, modalities=modalities, evidence=EVIDENCE | {"words": words})


def test_a_spreadsheet_shows_words_and_calculates_nothing() -> None:
    texts = ("=1+1", "+49 30", "-x", "@here", " help me ", "a-b")
    pictured = event(
        9,
        10,
        evidence=EVIDENCE | {"snapshot": "/p/a.jpg", "explanation": "/p/a.png", "clip": "/p/a.mp4"},
        over_budget=True,
    )
    tagged = Tagged("=cmd|'/C calc'!A1.mp4", 9, (*(spoken(n, t) for n, t in enumerate(texts)), pictured))
    rows = list(csv.DictReader(io.StringIO(csv_text(tagged), newline="")))
    assert [r["words"] for r in rows[:-1]] == ["'=1+1", "'+49 30", "'-x", "'@here", "help me", "a-b"]
    shown = [rows[-1][column] for column in ("snapshot", "explanation", "clip", "over_budget")]
    assert shown == ["/p/a.jpg", "/p/a.png", "/p/a.mp4", "yes"]
    assert all(r["file"] == f"'{tagged.file}" for r in rows)
    assert not any(cell[:1] in "{[" for row in rows for cell in row.values() if cell)


def test_cues_show_what_was_said_where_an_event_is_about_that() -> None:
    tagged = Tagged("a.mp4", 9, (spoken(1, " help", "me -->\n\nnow "), spoken(3, "hello", speech=0.2)))
    assert [c[3] for c in cues(vtt_text(tagged))] == ["a cat (88 %)\n“help me --&gt; now”", "a cat (88 %)"]


def test_the_transcript_and_an_error_are_in_the_document() -> None:
    said = Utterance(1.00049, 2.0, " help me ", 0.87654, "en")
    tagged = Tagged("a.mp4", 9, (), transcript=(said,), error=SourceInvalid("it is text", "encode it"))
    document = json.loads(json_text(tagged))
    assert document["transcript"] == [{"start": 1.0, "end": 2.0, "text": "help me", "confidence": 0.877}]
    assert document["error"] == {"code": "source_invalid", "message": "it is text", "hint": "encode it"}
    assert json.loads(json_text(Tagged("a.mp4", 9, ())))["error"] is None


def test_vtt_has_a_cue_an_event_in_order() -> None:
    tagged = Tagged("<a> --> b.mp4", 9, (event(3723.0456, 3724, "late"), event(1, 2, "<b> & -->", ("x\n\ny",))))
    first, second = cues(vtt_text(tagged))
    assert first == ("&lt;b&gt; &amp; --&gt;-1", 1, 2, "x y (88 %)")
    assert second[1:3] == (3723.046, 3724)
    assert "01:02:03.046 --> 01:02:04.000" in vtt_text(tagged)


def test_a_moment_is_a_cue_of_a_millisecond_and_nothing_is_before_the_start() -> None:
    assert [c[1:3] for c in cues(vtt_text(Tagged("a", 1, (event(0.5, 0.5), event(-0.2, -0.1)))))] == [
        (0, 0.001),
        (0.5, 0.501),
    ]


def test_the_same_names_render_every_format() -> None:
    tagged = Tagged("a.mp4", 3, (event(1, 2),))
    assert [render(tagged, "json"), render(tagged, "csv"), render(tagged, "vtt")] == [
        json_text(tagged),
        csv_text(tagged),
        vtt_text(tagged),
    ]


@given(
    st.lists(
        st.tuples(st.floats(0, 400_000), st.floats(0, 5000), st.text(min_size=1), st.text()).map(
            lambda x: event(x[0], x[0] + x[1], x[2], (x[3],))
        ),
        max_size=4,
    ),
    st.text(),
)
def test_any_text_gives_valid_cues_that_read_back(events: list[Event], file: str) -> None:
    found = cues(vtt_text(Tagged(file, 1, tuple(events))))
    assert len(found) == len(events)
    for _, start, end, payload in found:
        best = min(events, key=lambda e: abs(e.start - start) + abs(e.end - end))
        assert start == pytest.approx(best.start, abs=0.00051)
        assert end == pytest.approx(best.end, abs=0.0016)
        assert unescaped(payload).count("\n") == 0


@given(st.integers(0, 10**12))
def test_a_time_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    clock, ms = vtt_time(milliseconds).split(".")
    hours, minutes, seconds = clock.split(":")
    assert min(len(hours), len(minutes), len(seconds)) == 2
    assert int(minutes) < 60
    assert int(seconds) < 60
    assert ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(ms) == milliseconds


def test_a_file_is_replaced_as_a_whole_with_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "ä b.json"
    path.write_text("old")
    write_atomic(path, "new\r\n一")
    assert path.read_bytes() == "new\r\n一".encode()
    assert os.listdir(tmp_path) == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()  # a folder cannot be replaced by a file: the last step fails
    with pytest.raises(ExportError, match="cannot write"):
        write_atomic(taken, "text")
    with pytest.raises(ExportError, match="No such file"):
        write_atomic(tmp_path / "absent" / "x.json", "text")
    assert os.listdir(tmp_path) == ["taken"]
