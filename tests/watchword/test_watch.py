"""``watchword.watch``: iteration, callbacks, stopping, and what cannot be read."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import watchword
from tests.support.serving.servers import closed_port, paced, tcp
from tests.support.streams.pipelines import RED_TWICE, write_colours

pytestmark = pytest.mark.process  # loads torch, once


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("watch") / "colours.mp4", RED_TWICE)


def test_iterating_over_a_file_gives_all_events_and_ends(video: Path) -> None:
    revisions = list(watchword.watch(video, {"alarm": "red"}, profile="colour", name="door"))
    assert [(e.camera, e.event, e.start, e.end) for e in revisions if e.type == "end"] == [
        ("door", "alarm", 3.5, 9.5),
        ("door", "alarm", 15.5, 21.5),
    ]


def test_a_function_gets_the_same_events(video: Path) -> None:
    got: list[watchword.Event] = []
    watching = watchword.watch(video, ["red"], profile="colour", on_event=got.append)
    assert watching.wait(50)
    assert [e.start for e in got if e.type == "end"] == [3.5, 15.5]
    with pytest.raises(TypeError, match="go to `on_event`"):
        next(iter(watching))


def test_what_the_function_raises_ends_the_watch_and_is_raised(video: Path) -> None:
    def fail(event: watchword.Event) -> None:
        raise KeyError(event.event)

    watching = watchword.watch(video, ["red"], profile="colour", on_event=fail)
    with pytest.raises(KeyError, match="red"):
        watching.wait(50)
    assert not watching.running


def test_a_file_that_cannot_be_read_raises(tmp_path: Path) -> None:
    with pytest.raises(watchword.errors.SourceNotFound):
        list(watchword.watch(tmp_path / "missing.mp4", ["red"], profile="colour"))
    with pytest.raises(watchword.errors.ConfigError, match="not supported"):
        watchword.watch("gopher://10.0.0.1/", ["red"])


def test_a_camera_that_is_away_is_a_problem_and_no_error() -> None:
    url = f"tcp://127.0.0.1:{closed_port()}"
    with watchword.watch(url, ["red"], profile="colour") as watching:
        deadline = time.monotonic() + 50
        while watching.problem is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert watching.problem is not None
        assert watching.problem.startswith("source_unreachable: ")
        assert watching.running
    assert not watching.running


def test_without_a_reference_it_stops() -> None:
    watching = watchword.watch(f"tcp://127.0.0.1:{closed_port()}", ["red"], profile="colour", name="forgotten")
    del watching
    gc.collect()
    deadline = time.monotonic() + 50
    while (alive := [t for t in threading.enumerate() if t.name == "watch-forgotten"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive == []


@contextmanager
def camera(folder: Path) -> Iterator[str]:
    """A camera that shows grey for 2 s and red for the next minute."""
    stream = write_colours(folder / "live.ts", [("grey", 2), ("red", 60)]).read_bytes()

    def serve(connection: socket.socket) -> None:
        paced(connection.sendall, stream, 62)

    with tcp(serve) as port:
        yield f"tcp://127.0.0.1:{port}"


@pytest.mark.realtime
def test_stopping_ends_the_open_event_of_a_camera(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    with camera(tmp_path) as url, watchword.watch(url, "red", profile="colour", fps=2, evidence=folder) as watching:
        revisions = iter(watching)
        first = next(revisions)
        assert (first.type, first.live) == ("new", True)
        assert first.start_time is not None
        watching.stop()
        *_, last = revisions
        assert (last.type, last.id) == ("end", first.id)
    assert last.snapshot is not None
    assert last.snapshot.exists()
    assert last.clip is not None
    assert last.clip.exists()
