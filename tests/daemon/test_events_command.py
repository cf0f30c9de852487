import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from publish_kit import free_port, make_event, settings_of
from typer.testing import CliRunner

from daemon.commands.events import app
from workers.publish.embedded import EmbeddedServer
from workers.publish.redis_settings import connect
from workers.publish.redis_stream import EventScript
from workers.types import Event

LONG_SPOKEN = "[red]help[/red]\x1b[2J 救命"


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
        live = make_event(0x30, start=1767323045.5, end=1767323046.5, camera="yard", event="dog")
        live = Event(*(getattr(live, name) for name in Event.__slots__[:-1]), live.body | {"live": True})
        published(
            url,
            make_event(0x10, text=LONG_SPOKEN),
            make_event(0x11),
            make_event(0x10, revision=1, type="end", end=3725.5, text=LONG_SPOKEN),
            live,
        )
        yield folder


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "160", "TERM": "dumb"}).invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.stdout, result.stderr


def documents(text: str) -> list[tuple[str, int]]:
    return [(d["id"], d["revision"]) for d in map(json.loads, text.splitlines())]


def test_list_shows_the_latest_revision_of_each(state: Path) -> None:
    code, out, err = run("list", "--state-dir", state)
    assert (code, err) == (0, "")
    rows = [[c.strip() for c in re.split(" {2,}", line.strip())] for line in out.splitlines()[3:] if line.strip()]
    assert [row[:7] for row in rows] == [
        [make_event(0x11).id, "door", "cat", "0:00:01.5", "0:00:04.0", "0.88", "open"],
        [make_event(0x10).id, "door", "cat", "0:00:01.5", "1:02:05.5", "0.88", "closed"],
        [make_event(0x30).id, "yard", "dog", "2026-01-02 03:04:05Z", "03:04:06Z", "0.88", "open"],
    ]
    assert rows[1][7] == "[red]help[/red] [2J 救命"  # neither markup nor control characters act


def test_list_as_json(state: Path) -> None:
    code, out, _ = run("list", "--json", "--state-dir", state)
    assert code == 0
    assert documents(out) == [(make_event(0x11).id, 0), (make_event(0x10).id, 1), (make_event(0x30).id, 0)]
    assert json.loads(out.splitlines()[0]) == make_event(0x11).body


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
    assert "vision 75%, speech 25%, sound 0%" in out
    assert "“[red]help[/red] [2J 救命” (90%)" in out
    code, out, _ = run("show", "0010", "--json", "--state-dir", state)
    assert documents(out) == [(make_event(0x10).id, 1)]


def test_show_what_is_not_there(state: Path) -> None:
    code, out, err = run("show", "ffff", "--state-dir", state)
    assert (code, out) == (1, "")
    assert "no event ffff" in err


def test_tail_until_ctrl_c(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as url:
        published(url, make_event(1), make_event(2))
        _follow(tmp_path, url)


def _follow(state: Path, url: str) -> None:
    command = "from daemon.commands.events import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "tail", "--from-start", "--json", "--state-dir", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert process.stdout
    first = process.stdout.readline() + process.stdout.readline()
    assert documents(first) == [(make_event(1).id, 0), (make_event(2).id, 0)]
    published(url, make_event(1, revision=1))
    assert documents(process.stdout.readline()) == [(make_event(1).id, 1)]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")


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
        ["list", "--since", "yesterday"],
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


def test_a_narrow_terminal_shows_ids_and_times_in_full(state: Path) -> None:
    done = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, ["list", "--state-dir", str(state)])
    assert make_event(0x30).id[:10] in done.stdout
    assert "2026-01-02 03:04:05Z" in done.stdout
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
