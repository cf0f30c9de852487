import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from daemon.commands.events.commands import app
from daemon.commands.events.tables import as_line, in_order, state_of
from tests.support.events import make_event, make_live, validate_body
from tests.support.programs.daemon import ALWAYS, ENDLESS, write_config
from tests.support.serving.redis import settings_of
from tests.support.serving.servers import free_port
from workers.events.event import Event
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.redis.client import connect
from workers.publish.redis.fields import entry_fields
from workers.publish.redis.reader import Entry
from workers.publish.redis.sink import EventScript

LONG_SPOKEN = "[red]help[/red]\x1b[2J 救命"


LOOSENED = {"threshold": 0.625, "max_false_alerts_per_hour": 4 / 24, "budget_per_hour": 1 / 24}


def published(url: str, *events: Event) -> None:
    settings = settings_of(url)
    client = connect(settings)
    EventScript(client, settings).add(events)
    client.close()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a daemon that runs, with four revisions of three events."""
    folder = tmp_path_factory.mktemp("state")
    with EmbeddedServer(folder) as url:
        written = {"language": "en", "model": "tiny", "prompt": "caption-1"}
        caption = {"text": "A dog digs.", "attributes": ["brown", "rain"], **written}
        where: dict[str, Any] = {"camera": "yard", "event": "dog", "zone": ["gate", "path"], "caption": caption}
        live = make_live(0x30, start=1767323045.5, end=1767323046.5, **where)
        published(
            url,
            make_event(0x10, text=LONG_SPOKEN),
            make_event(0x11),
            make_event(0x10, revision=1, type="end", end=3725.5, text=LONG_SPOKEN, rule=LOOSENED),
            live,
        )
        yield folder


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "160", "TERM": "dumb"}).invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.stdout, result.stderr


def documents(text: str) -> list[tuple[str, int]]:
    return [(d["id"], d["revision"]) for d in map(json.loads, text.splitlines())]


def test_an_event_over_its_budget_says_so() -> None:
    plain, over = make_event(type="end"), make_event(type="end", over_budget=True)
    assert (state_of(plain), state_of(over)) == ("closed", "closed, over budget")
    assert "over budget" in as_line(over)
    assert "over budget" not in as_line(plain)


def test_events_of_uploads_say_which_file(tmp_path: Path) -> None:
    source = {"file": "gate/a.mp4", "name": "a.mp4", "sha256": "0f" * 32, "duration": 90.5}
    upload = make_event(0x40, camera="uploads", source=source)
    with EmbeddedServer(tmp_path) as url:
        published(url, upload, make_event(0x41, source=source))
        _, listed, _ = run("list", "--state-dir", tmp_path)
        _, shown, _ = run("show", upload.id, "--state-dir", tmp_path)
    rows = [[c.strip() for c in re.split(" {2,}", line.strip())] for line in listed.splitlines()[1:] if line.strip()]
    assert rows[0][:4] == ["id", "camera", "event", "file"]
    assert [row[1:5] for row in rows[2:]] == [
        ["uploads", "cat", "gate/a.mp4", "0:00:01.5"],
        ["door", "cat", "0:00:01.5", "0:00:04.0"],  # the camera tells enough
    ]
    assert re.search(r"file +│ gate/a\.mp4 ", shown)
    assert "0f0f0f" in shown
    assert as_line(upload).startswith("new    uploads gate/a.mp4 cat 0:00:01.5")


def test_list_shows_the_latest_revision_of_each(state: Path) -> None:
    code, out, err = run("list", "--state-dir", state)
    assert (code, err) == (0, "")
    rows = [[c.strip() for c in re.split(" {2,}", line.strip())] for line in out.splitlines()[3:] if line.strip()]
    assert [row[:7] for row in rows] == [
        [make_event(0x30).id, "yard", "dog", "2026-01-02 03:04:05Z", "03:04:06Z", "0.88", "open"],
        [make_event(0x11).id, "door", "cat", "0:00:01.5", "0:00:04.0", "0.88", "open"],
        [make_event(0x10).id, "door", "cat", "0:00:01.5", "1:02:05.5", "0.88", "closed"],
    ]
    assert rows[2][7] == "[red]help[/red]\\u001b[2J 救命"  # neither markup nor control characters act


def test_list_as_json(state: Path) -> None:
    code, out, _ = run("list", "--json", "--state-dir", state)
    assert code == 0
    assert documents(out) == [(make_event(0x30).id, 0), (make_event(0x11).id, 0), (make_event(0x10).id, 1)]
    assert json.loads(out.splitlines()[1]) == make_event(0x11).to_document()


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--all-revisions"], 4),
        (["--limit", "2"], 2),
        (["--limit", "3", "--all-revisions"], 3),
        (["--camera", "yard"], 1),
        (["--event", "dog", "--camera", "door"], 0),
        (["--since", "1h"], 3),
        (["--until", "1h"], 0),
    ],
)
def test_list_options(state: Path, options: list[str], count: int) -> None:
    code, out, _ = run("list", "--json", "--state-dir", state, *options)
    assert (code, len(documents(out))) == (0, count)


def test_show_by_prefix(state: Path) -> None:
    code, out, _ = run("show", "001", "--state-dir", state)
    assert code == 2
    code, out, err = run("show", "0010", "--state-dir", state)
    assert (code, err) == (0, "")
    assert f"{make_event(0x10).id} revision 1 (closed)" in out
    assert "a cat; 一只猫" in out
    assert "▃█" in out
    assert "0.875 (threshold 0.625, 1 false alerts a day)" in out
    assert "vision 75%, speech 25%, sound 0%" in out
    assert "“[red]help[/red]\\u001b[2J 救命” (90%)" in out
    _, out, _ = run("show", "0030", "--state-dir", state)
    assert "gate or path" in out
    assert "A dog digs. (brown, rain), written by tiny" in out
    code, out, _ = run("show", "0010", "--json", "--state-dir", state)
    assert documents(out) == [(make_event(0x10).id, 1)]


def explained(number: int, **evidence: Any) -> Event:
    """An event that says why it was reported, over 40 clips."""
    whole = make_event(number)
    timeline = [[t + 0.5, 0.9 if 10 <= t < 20 else 0.05] for t in range(40)]
    reasons = {"timeline": timeline, "attention": [["cat", 0.75], ["猫[b]", 0.25]], "explanation": "/pictures/a b.png"}
    event = make_event(
        number,
        start=10.0,
        end=20.0,
        type="end",
        evidence=whole.evidence.model_dump(exclude_unset=True) | reasons | evidence,
        rule={"threshold": 0.6, "max_false_alerts_per_hour": None},
    )
    validate_body(event.to_document())
    return event


@pytest.fixture(scope="module")
def reasons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("reasons")
    with EmbeddedServer(folder) as url:
        published(url, explained(0x60), explained(0x61, attention=[], explanation=None), make_event(0x62))
        yield folder


def test_show_explains(reasons: Path) -> None:
    code, out, err = run("show", "0060", "--explain", "--state-dir", reasons)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    top = next(line for line in lines if line.lstrip().startswith("1.0│"))
    below = next(line for line in lines if "└─" in line and "━" in line)
    threshold = next(line for line in lines if "┄" in line)
    inside = [i for i, c in enumerate(below) if c == "━"]
    assert len(inside) == 10 * 3  # three columns a clip
    assert {top[i] for i in inside} == {"▃"}  # 0.9 of six lines of eight steps
    assert all(threshold[i] == "█" for i in inside)
    assert threshold.count("┄") == (40 - 10) * 3
    assert "threshold 0.6" in out
    assert "0:00:00.5" in out
    assert "0:00:39.5" in out
    words = [line for line in lines if re.search("(cat|猫).*█", line)]
    assert [line.count("█") for line in words] == [22, 7]
    assert [line.split()[-1] for line in words] == ["75%", "25%"]
    assert "猫[b]" in words[1]
    vision = next(line for line in lines if " vision " in line)
    assert vision.split()[:3] == ["judged", "by", "vision"]
    assert "“help me” (90%)" in out
    assert lines[-1] == "picture: /pictures/a b.png"


def test_show_explains_what_there_is(reasons: Path) -> None:
    code, out, _ = run("show", "0061", "--explain", "--state-dir", reasons)
    assert (code, "words" in out, "no picture was saved" in out) == (0, False, True)
    code, out, _ = run("show", "0062", "--explain", "--state-dir", reasons)  # of a version that did not explain
    assert (code, "└" in out.split("judged by")[-1], "no picture was saved" in out) == (0, False, True)
    code, out, _ = run("show", "0060", "--state-dir", reasons)
    assert (code, "picture" in out) == (0, False)


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_an_explanation_fits_the_terminal(reasons: Path, columns: int) -> None:
    done = CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"}).invoke(
        app, ["show", "0060", "--explain", "--state-dir", str(reasons)]
    )
    chart = [line for line in done.stdout.splitlines() if re.match("^(.{4}│|    └)", line)]
    assert len(chart) == 7
    assert len(set(map(len, chart))) == 1
    assert max(map(len, done.stdout.splitlines())) <= columns


@pytest.fixture
def poisoned(tmp_path: Path) -> Iterator[Path]:
    """The state folder of a daemon beside which somebody wrote entries, the last id there is among them."""
    with EmbeddedServer(tmp_path) as url:
        client: Any = connect(settings_of(url))
        times = {"start": 1.0, "end": 2.0, "type": "end", "score": 0.5}
        fields = entry_fields(make_live(1, id="0a", **times))
        late, body = {"start": "1e300", "end": "1e300"}, str(fields["body"])
        shares = body.replace('"vision":0.75', '"vision":1e12')
        assert shares != body
        for foreign in (late, late | {"body": body.replace("1.0", "1e300")}, {"body": shares}, {"body": "{}"}):
            client.xadd("watchword:events", fields | foreign)
        for n in "1b", "1c\x1b[2J":
            published(url, make_live(1, id=n, event="cat\u009b31m", **times))
        published(url, make_live(2))
        client.xadd("watchword:events", fields, id=f"{2**64 - 1}-1")
        client.close()
        yield tmp_path


def test_what_others_wrote_breaks_no_view(poisoned: Path) -> None:
    code, out, err = run("list", "--json", "--state-dir", poisoned)
    shown = [("1b", 0), ("1c\x1b[2J", 0), ("0a", 0), (make_live(2).id, 0)]
    assert (code, err, documents(out)) == (0, "", shown)
    assert all(c == "\n" or c.isprintable() for c in out)
    code, out, err = run("show", "1", "--state-dir", poisoned)
    assert (code, out, err) == (
        2,
        "",
        "watchword: 2 events start with 1: 1b, 1c\\u001b[2J — give more characters of the id\n",
    )
    for view in (["list"], ["show", "0002"], ["show", "0a"], ["show", "0a", "--explain"]):
        code, out, err = run(*view, "--state-dir", poisoned)
        assert (code, err) == (0, ""), view
        assert "1970-01-01 00:00:01Z" in out


def test_show_what_is_not_there(state: Path) -> None:
    code, out, err = run("show", "ffff", "--state-dir", state)
    assert (code, out) == (1, "")
    assert "no event ffff" in err


@pytest.mark.process
def test_tail_until_ctrl_c(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        published(url, make_event(1), make_event(2))
        _follow(tmp_path, url)


def _follow(state: Path, url: str) -> None:
    command = "from daemon.commands.events.commands import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "tail", "--from-start", "--json", "--state-dir", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        # as at a terminal: a shell's background job, such as these tests may be, ignores Ctrl-C and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout
    first = process.stdout.readline() + process.stdout.readline()
    assert documents(first) == [(make_event(1).id, 0), (make_event(2).id, 0)]
    published(url, make_event(1, revision=1))
    assert documents(process.stdout.readline()) == [(make_event(1).id, 1)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")


@pytest.mark.process
def test_without_a_daemon_list_looks_and_tail_says_so(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        published(url, make_event(1))
    code, out, _ = run("list", "--json", "--state-dir", tmp_path)
    assert (code, documents(out)) == (0, [(make_event(1).id, 0)])
    assert EmbeddedServer.discover(tmp_path) is None
    code, out, err = run("tail", "--state-dir", tmp_path)
    assert (code, out) == (4, "")
    assert "watchword run" in err


def test_an_empty_folder_is_left_empty(tmp_path: Path) -> None:
    code, _, err = run("list", "--state-dir", tmp_path)
    assert code == 4
    assert "no embedded server runs" in err
    assert list(tmp_path.iterdir()) == []


def test_unreachable_without_secrets(tmp_path: Path) -> None:
    url = f"redis://user:s3cret-word@127.0.0.1:{free_port()}/0"
    for command in (["tail"], ["list"], ["show", "0010"]):
        code, out, err = run(*command, "--redis", url)
        assert (code, out) == (4, "")
        assert "Redis at redis://***@127.0.0.1" in err
        assert "s3cret-word" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--since", "someday"],
        ["list", "--limit", "0"],
        ["show"],
        ["tail", "--nonsense"],
        ["list", "--since", "-1h"],
    ],
)
def test_usage_errors(arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert re.search("Error|Usage", err)


def test_events_are_listed_by_start_and_those_of_a_file_stay_together() -> None:
    def entry(published_s: int, **fields: Any) -> Entry:
        return Entry(f"{published_s}000-0", make_event(published_s, **fields))

    late, early = entry(100, start=9.0, end=9.5, segment="one"), entry(103, start=2.0, end=2.5, segment="one")
    other = entry(101, start=0.0, end=0.5, segment="two")
    live = Entry("104000-0", make_live(4, start=99.0, end=99.5))
    assert in_order([late, other, early, live]) == [live, early, late, other]


def test_the_configuration_of_the_folder_says_where_to_read(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("list")[0] == 4
    config = write_config(tmp_path, state_dir=str(state), cameras={"door": {"url": ENDLESS}}, events=ALWAYS)
    assert run("list", "--json") == run("list", "--json", config) == run("list", "--json", "--state-dir", state)
    assert run("list", "--state-dir", tmp_path)[0] == 4  # an option names another place
    code, out, err = run("url")
    assert (code, out.strip(), err) == (0, EmbeddedServer.discover(state), "")


def test_the_url_of_a_server_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    code, out, err = run("url", "--state-dir", tmp_path)
    assert (code, out) == (4, "")
    assert "start `watchword run`" in err


def test_a_narrow_terminal_shows_ids_and_times_in_full(state: Path) -> None:
    done = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, ["list", "--state-dir", str(state)])
    assert make_event(0x30).id[:10] in done.stdout
    assert "2026-01-02 03:04:05Z" in done.stdout
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
