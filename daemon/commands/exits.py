"""What commands say on stderr: an error in one line, with its exit code, and names of files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from alignment.errors import ExitCode, WatchwordError
from daemon.logs.escaping import printable

MAX_NAMED = 10


def names_of(names: Sequence[object]) -> str:
    """Return the first names of a list in words."""
    shown = ", ".join(map(str, names[:MAX_NAMED]))
    return shown + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")


def report(error: WatchwordError) -> None:
    """Write one error to stderr: its stable code, what is wrong and what to do."""
    from daemon.config.errors import ConfigError  # loads pydantic: not for `--help`

    lines = "\n" if isinstance(error, ConfigError) else ""
    typer.echo(printable(f"error [{error.code}]: {error}", keep=lines), err=True)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Report an error of the block and end the command with the error's exit code; Ctrl-C ends it with 130."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except WatchwordError as error:
        report(error)
        raise typer.Exit(error.exit_code) from error
