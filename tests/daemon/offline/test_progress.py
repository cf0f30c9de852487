"""The progress bars, drawn as on a terminal."""

import io
from pathlib import Path

from rich.console import Console

from daemon.offline.progress import FileProgress


def test_files_and_positions_are_drawn_and_names_are_not_markup() -> None:
    out = io.StringIO()
    with FileProgress(2, Console(file=out, force_terminal=True, width=120)) as progress:
        progress(Path("x/clip [red].mp4"), 65.0, 3725.0)
        progress(Path("live.ts"), 5.0, None)
        progress._progress.refresh()  # drawn now, whatever the refresh rate
        drawn = out.getvalue()
        progress.done(Path("x/clip [red].mp4"))
        progress.done(Path("never begun.mp4"))
        progress._progress.refresh()
    assert "clip [red].mp4" in drawn
    assert "1:05 / 1:02:05" in drawn
    assert "0:05 / ?" in drawn
    assert "0 / 2" in drawn
    assert "2 / 2" in out.getvalue()


def test_loading_is_drawn_until_the_first_file_and_then_how_long_it_takes() -> None:
    out, now = io.StringIO(), 0.0
    terminal = Console(file=out, force_terminal=True, width=120)
    progress = FileProgress(3, terminal, loading="loading models: x", now=lambda: now)

    def drawn() -> str:
        out.seek(0)
        out.truncate()
        progress._progress.refresh()
        return out.getvalue()

    with progress:
        now = 7.0
        first = drawn()
        assert "loading models: x" in first
        assert "7 s" in first
        assert "all files" not in first
        for position in (0.0, 10.0, 20.0):
            progress(Path("a.mp4"), position, 100.0)
            now += 1
        second = drawn()
    assert "loading" not in second
    assert "0 / 3" in second
    assert "0:08 left" in second  # ten times as fast as it plays
    assert "0:28 left" in second  # of three files


def test_without_bars_loading_is_a_line() -> None:
    out = io.StringIO()
    with FileProgress(1, Console(file=out), loading="loading models: [x]"):
        pass
    assert out.getvalue().strip() == "loading models: [x]"


def test_nothing_is_drawn_where_nobody_looks() -> None:
    out = io.StringIO()
    for console, shown in ((Console(file=out), True), (Console(file=out, force_terminal=True), False)):
        with FileProgress(1, console, shown) as progress:
            progress(Path("a.mp4"), 1.0, 2.0)
            progress.done(Path("a.mp4"))
    assert out.getvalue().strip() == ""
