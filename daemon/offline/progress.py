"""Progress bars: models are loaded, then files are read; nothing is drawn if stderr is not a terminal."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.text import Text

from daemon.logs.escaping import printable


class FileProgress:
    """Shows that models are loaded; then a bar for all files, and one for each file in progress. Thread-safe."""

    def __init__(
        self,
        files: int,
        console: Console,
        shown: bool = True,
        loading: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with ``loading``, which says what is loaded before the first file: a bar, or a line without bars."""
        name = TextColumn("{task.description}", markup=False)
        self._progress = Progress(
            name,
            BarColumn(),
            _PositionColumn(),
            _LeftColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # results are not redirected
            disable=not shown,
            get_time=now,
        )
        self._loading: TaskID | None = None
        if loading and shown and console.is_terminal:
            self._loading = self._progress.add_task(loading, total=None, unit="")
        elif loading:
            console.print(loading, markup=False, highlight=False, soft_wrap=True)
        self._all = self._progress.add_task("all files", total=files, unit="files", visible=self._loading is None)
        self._tasks: dict[Path, TaskID] = {}
        self._done, self._shares = 0, dict[Path, float]()  # files, and what has been read of those in progress

    def __enter__(self) -> "FileProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, path: Path, position_s: float, duration_s: float | None) -> None:
        """Show that a file has been read up to ``position_s`` of its ``duration_s`` (None: unknown)."""
        self._loaded()
        if path not in self._tasks:
            self._tasks[path] = self._progress.add_task(printable(path.name), total=duration_s, unit="s")
        self._progress.update(self._tasks[path], completed=position_s, total=duration_s)
        self._shares[path] = min(1.0, position_s / duration_s) if duration_s else 0.0
        self._count()

    def done(self, path: Path) -> None:
        """Count a file as finished, also after an error."""
        self._loaded()
        if path in self._tasks:
            self._progress.remove_task(self._tasks.pop(path))
        self._shares.pop(path, None)
        self._done += 1
        self._count()

    def _count(self) -> None:
        """Show how much of all files has been read, as if they were equally long."""
        self._progress.update(self._all, completed=self._done + sum(self._shares.values()))

    def _loaded(self) -> None:
        if self._loading is not None:
            self._progress.remove_task(self._loading)
            self._progress.reset(self._all, visible=True)  # or the time of loading counts as time of the first file
            self._loading = None


class _PositionColumn(TextColumn):
    """``1:05 / 2:00`` for a file, ``3 / 10`` for the files."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        if not task.fields["unit"]:
            return Text(f"{task.elapsed or 0:.0f} s")
        shown = _clock if task.fields["unit"] == "s" else "{:.0f}".format
        whole = math.floor(task.completed)
        total = "?" if task.total is None else shown(task.total)
        return Text(f"{shown(whole)} / {total}")


class _LeftColumn(TextColumn):
    """``0:42 left``, once there is a speed to judge by."""

    max_refresh = 0.5  # seconds: a number that jumps cannot be read

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None or task.finished else f"{_clock(left)} left")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
