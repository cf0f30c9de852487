"""The command line: ``watchword COMMAND``. One module a command, in ``daemon/commands``."""

import sys

import structlog
import typer

from daemon.commands import events, models
from daemon.commands.check import check
from daemon.commands.doctor import doctor
from daemon.commands.evaluate import evaluate
from daemon.commands.forget import forget
from daemon.commands.run import run
from daemon.commands.schema import schema
from daemon.commands.tag import tag
from daemon.commands.train import train
from daemon.logs import configure_logs

app = typer.Typer(
    name="watchword",
    help="Describe an event in plain words; learn when it starts and ends.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,  # locals may hold credentials
)
app.command()(run)
app.command()(check)
app.command()(tag)
app.command("eval")(evaluate)
app.command()(train)
app.command()(forget)
app.command()(doctor)
app.command()(schema)
app.add_typer(events.app, name="events")
app.add_typer(models.app, name="models")

INTERRUPTED = 130
UNEXPECTED = 1


def main() -> None:
    """Run the command line; what commands log goes to stderr, ``run`` sets it up as its configuration says."""
    configure_logs(level="warning")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:  # Python and typer would print the message as it is; the logs hide credentials in it
        structlog.get_logger("daemon").critical("unexpected error", exc_info=True)
        sys.exit(UNEXPECTED)
