"""``watchword forget``: remove all data of one camera and time range."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.exits import exit_on_error
from daemon.commands.moments import parse_moment
from daemon.config import Config, load_config
from daemon.privacy.forgetting import Finding, find, listed, read_receipt
from daemon.privacy.forgetting import forget as forget_here
from daemon.privacy.requests import ask
from daemon.privacy.stores.old_streams import reached
from daemon.privacy.stores.store import Places
from daemon.service.state_folder import StateFolder, StateInUse, require_known
from workers.events.erasures import Scope
from workers.publish.log.event_log import EventLog
from workers.publish.redis.client import RedisSettings
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

app = typer.Typer(add_completion=False)


@app.command()
def forget(
    camera: Annotated[str, typer.Option(help='Name of the camera; "uploads" for uploads.')],
    since: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Like 2026-05-01T18:30, 18:30 or yesterday: local time.",
        ),
    ],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Like --from; not in the future.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The daemon's configuration.")] = Path("config.yaml"),
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove the data. Without it, only list what would be removed.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the receipt, or what would be removed, as JSON.")
    ] = False,
) -> None:
    """Remove all data of one camera and time range, and write a receipt.

    Removed are events that overlap the time range, with their pictures and transcripts, and uploaded files that were
    watched in it. The daemon may run or not. An upload in progress is stopped and removed, if it was watched in the
    time range.

    Exit codes: 0 done; 1 some data could not be removed (the error names it); 2 wrong options or configuration;
    4 Redis or the daemon does not respond. If Redis does not respond, nothing was removed.
    """
    try:
        scope = Scope(camera, parse_moment(since, "--from"), parse_moment(until, "--to"))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--camera") from None
    if not scope.since < scope.until <= time.time():
        raise typer.BadParameter("must be later than --from and not in the future", param_hint="--to")
    with exit_on_error():
        loaded = load_config(config, inputs_required=False)
        require_known(loaded.state_dir)
        if not yes:
            with reached(_places(loaded, _refuse)) as places:
                _show(find(places, scope), as_json)
            return
        receipt = _carry_out(loaded, scope)
    typer.echo(receipt.read_text(encoding="ascii").rstrip() if as_json else _told(receipt))


def _carry_out(config: Config, scope: Scope) -> Path:
    """Remove the data here if no daemon runs; otherwise request it from the daemon."""
    layout, folder = StateLayout(config.state_dir), StateFolder(config.state_dir)
    while True:
        try:
            with folder:
                return forget_here(_places(config, _log_eraser(layout)), scope)
        except StateInUse:
            receipt = ask(layout, scope, lambda: _runs(config.state_dir))
            if receipt is not None:
                return receipt


def _runs(state_dir: Path) -> bool:
    try:
        with StateFolder(state_dir):
            return False
    except StateInUse:
        return True


def _places(config: Config, erase_logged: Callable[[frozenset[str], float], int]) -> Places:
    """Return the places of the data; ``reached`` starts the embedded server."""
    stream, redis = config.redis, None
    if stream.url != RedactedUrl("embedded"):
        redis = RedisSettings(stream.url, stream.stream, stream.maxlen, stream.cluster)
    evidence = (config.evidence_folder(),)
    return Places(StateLayout(config.state_dir), redis, False, erase_logged, evidence=evidence)


def _log_eraser(layout: StateLayout) -> Callable[[frozenset[str], float], int]:
    """Return what erases events from an event log that has no owner."""

    def erase(ids: frozenset[str], before_s: float) -> int:
        """Erase events; return how many revisions were erased."""
        event_log = EventLog(layout.event_log)
        try:
            return event_log.erase(ids, before_s)
        finally:
            event_log.close()

    return erase


def _refuse(ids: frozenset[str], before_s: float) -> int:
    raise AssertionError("a look changes nothing")


def _show(found: Finding, as_json: bool) -> None:
    """Print what would be removed."""
    if as_json:
        typer.echo(json.dumps({"would_remove": found.counts, "events": sorted(found.ids)}))
        return
    typer.echo(f"would remove {listed(found.counts)}; of {len(found.ids)} events")
    typer.echo("watchword: nothing was removed; add --yes to remove it", err=True)


def _told(receipt: Path) -> str:
    told = read_receipt(receipt)
    ended = " (an upload was being watched then: that was ended)" if told["reached"]["upload_interrupted"] else ""
    return f"removed {listed(told['removed'])}{ended}; nothing is left\nreceipt: {receipt}"
