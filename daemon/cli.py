"""The command line: ``watchword COMMAND``. One module a command, below ``daemon/commands``, with a Typer ``app``.

A command's module is imported when the command is invoked, not to list it: ``watchword --help`` loads no model, no
client and no configuration.
"""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from alignment.errors import ExitCode

# Name: module, and the line in the list of commands (the first line of the command's own help).
COMMANDS = {
    "init": ("setup.init", "Write a first configuration: asks four questions, or reads that of Frigate."),
    "run": ("run", "Watch the configured cameras and publish events."),
    "check": ("setup.check", "Validate a configuration, and show which events each camera watches for."),
    "tag": ("tag", "Find described events in video files; write JSON, CSV and WebVTT."),
    "summary": ("recorded.summary", "Sum up a day of the cameras, or video files: moments, chapters, a short video."),
    "eval": ("learning.evaluate", "Evaluate event detection and search on annotated videos."),
    "backtest": ("recorded.backtest", "Show what a rule would have reported in the past."),
    "calibrate": (
        "learning.calibrate",
        "Measure how well a model tells what frames show, and set what can be set.",
    ),
    "train": ("learning.train", "Train an aligner or an encoder, and write a checkpoint for the daemon."),
    "search": ("recorded.search", "Find moments in what cameras and uploads recorded, the best first."),
    "ask": ("recorded.ask", "Answer a question about what was recorded, with the moments on which the answer rests."),
    "forget": ("forget", "Remove all data of one camera and time range, and write a receipt."),
    "doctor": (
        "setup.doctor",
        "Check decoders, hardware, models and Redis on this machine, and the verifiers of a configuration.",
    ),
    "schema": ("setup.schema", "Print the JSON Schema of the configuration file, for editors."),
    "events": ("events.commands", "Follow, list and show published events."),
    "alerts": ("events.alerts", "Try targets of alerts, list alerts, and send them again."),
    "feedback": ("events.feedback", "Judge events, and choose what was learned from it."),
    "models": ("setup.models", "List, inspect and download models."),
}


class LazyCommands(TyperGroup):
    """A group whose commands are stand-ins with a help line until one is invoked."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the invoked command itself, imported now, in place of its stand-in."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        if name is None:  # while a shell completes a name
            return name, stand_in, rest
        from daemon.logs.setup import configure_logs

        configure_logs(level="warning")  # `run` sets up logs again, as its configuration says
        module = import_module(f"daemon.commands.{COMMANDS[name][0]}")
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(
    name="watchword",
    cls=LazyCommands,
    help="Describe an event in plain words; learn when it starts and ends.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,  # locals may hold credentials
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # not needed for any command

        typer.echo(f"watchword {version('watchword')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Describe an event in plain words; learn when it starts and ends."""


for _name, (_, _help) in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)


def main() -> None:
    """Run the command line. Logs go to stderr."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:  # Python and typer would print the message as it is; the logs hide credentials in it
        import structlog

        structlog.get_logger("daemon").critical("unexpected error: this is a bug, please report it", exc_info=True)
        sys.exit(ExitCode.UNEXPECTED)
