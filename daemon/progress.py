"""How far the reading of files is, for people: nothing is drawn where stderr is no terminal."""

from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from daemon.terminal import printable


class FileProgress:
    """A bar over all files and one for each file in work. Calls may come from any thread."""

    def __init__(self, files: int, console: Console, shown: bool = True) -> None:
        name = TextColumn("{task.description}", markup=False)
        self._progress = Progress(
            name,
            BarColumn(),
            _PositionColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # data keeps its own way
            disable=not shown,
        )
        self._all = self._progress.add_task("all files", total=files, unit="files")
        self._tasks: dict[Path, TaskID] = {}

    def __enter__(self) -> "FileProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, path: Path, position_s: float, duration_s: float | None) -> None:
        """Show that a file has been read up to ``position_s`` of its ``duration_s`` (None: unknown)."""
        if path not in self._tasks:
            self._tasks[path] = self._progress.add_task(printable(path.name), total=duration_s, unit="s")
        self._progress.update(self._tasks[path], completed=position_s, total=duration_s)

    def done(self, path: Path) -> None:
        """Count a file as finished, whatever came of it."""
        if path in self._tasks:
            self._progress.remove_task(self._tasks.pop(path))
        self._progress.advance(self._all)


class _PositionColumn(TextColumn):
    """``1:05 / 2:00`` for a file, ``3 / 10`` for the files."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        shown = _clock if task.fields["unit"] == "s" else "{:.0f}".format
        total = "?" if task.total is None else shown(task.total)
        return Text(f"{shown(task.completed)} / {total}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
