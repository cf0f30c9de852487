"""``watchword forget``: remove what is kept of one camera and a stretch of time."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from alignment.errors import WatchwordError
from daemon.commands.exits import ended
from daemon.config import Config, load_config
from daemon.privacy.forgetting import NOT_SEARCHED, Finding, find, listed, read_receipt
from daemon.privacy.forgetting import forget as forget_here
from daemon.privacy.former import reached
from daemon.privacy.places import Places
from daemon.privacy.requests import ask
from daemon.state import StateFolder, StateInUse, require_known
from workers.forgetting import Scope
from workers.publish.open_events import OpenEvents
from workers.publish.redis_settings import RedisSettings
from workers.publish.spool import Spool
from workers.redaction import RedactedUrl
from workers.state_layout import StateLayout

ELSEWHERE = "other machines of the Ray cluster are not searched: run this on each of them too"


def forget(
    camera: Annotated[str, typer.Option(help='Name of the camera; "uploads" for uploads.')],
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="ISO time; local where it names no zone.")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="As --from; not in the future.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The daemon's configuration.")] = Path("config.yaml"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt, or what would go, as JSON.")] = False,
) -> None:
    """Remove pictures, words, events and uploads of a camera's stretch of time, and write a receipt.

    Whole events go that touch it; of files, those that were watched then. The daemon may run or not. An upload that is
    being watched and was then goes as well: watching it ends.

    Exit codes: 0 done, 1 something could not be removed (what, is said), 2 wrong options or configuration, 4 Redis does
    not answer, and nothing was removed, or the daemon does not.
    """
    try:
        scope = Scope(camera, _moment(since, "--from"), _moment(until, "--to"))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--camera") from None
    if not scope.since < scope.until <= time.time():
        raise typer.BadParameter("must lie after --from and not in the future", param_hint="--to")
    try:
        loaded = load_config(config, inputs_required=False)
        require_known(loaded.state_dir)
        if not yes:
            with reached(_places(loaded, _refuse)) as places:
                _show(find(places, scope), as_json, places.elsewhere)
            return
        receipt = _carry_out(loaded, scope)
    except WatchwordError as error:
        raise ended(error) from error
    typer.echo(receipt.read_text(encoding="ascii").rstrip() if as_json else _told(receipt))


def _carry_out(config: Config, scope: Scope) -> Path:
    """Forget here where no daemon runs, else have it do so."""
    layout, folder = StateLayout(config.state_dir), StateFolder(config.state_dir)
    while True:
        try:
            with folder:
                return forget_here(_places(config, _spool_eraser(layout)), scope)
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


def _places(config: Config, erase_waiting: Callable[[frozenset[str], float], int]) -> Places:
    """Return where the data lies; ``reached`` starts the embedded server."""
    stream, redis = config.redis, None
    if stream.url != RedactedUrl("embedded"):
        redis = RedisSettings(stream.url, stream.stream, stream.maxlen, stream.cluster)
    return Places(StateLayout(config.state_dir), redis, False, erase_waiting, elsewhere=config.spreads)


def _spool_eraser(layout: StateLayout) -> Callable[[frozenset[str], float], int]:
    """Return what erases events that wait, of a spool that nobody else has."""

    def erase(ids: frozenset[str], before_s: float) -> int:
        spool = Spool(layout.spool)
        try:
            OpenEvents(spool.folder / "open.json").erase(ids)
            return spool.erase(lambda r: r.event.id in ids or r.at < before_s)
        finally:
            spool.close()

    return erase


def _refuse(ids: frozenset[str], before_s: float) -> int:
    raise AssertionError("a look changes nothing")


def _moment(text: str, option: str) -> float:
    """Return the Unix time of an ISO text, local time where it names no zone."""
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        hint = "write 2026-05-01T18:30, or with a zone 2026-05-01T18:30:00+02:00"
        raise typer.BadParameter(f"{text!r} is no time: {hint}", param_hint=option) from None


def _show(found: Finding, as_json: bool, elsewhere: bool) -> None:
    """Say what would go."""
    if elsewhere:
        typer.echo(f"watchword: {ELSEWHERE}", err=True)
    if as_json:
        typer.echo(json.dumps({"would_remove": found.counts, "events": sorted(found.ids)}))
        return
    typer.echo(f"would remove {listed(found.counts)}; of {len(found.ids)} events")
    typer.echo("watchword: nothing was removed; say --yes to remove it", err=True)


def _told(receipt: Path) -> str:
    told = read_receipt(receipt)
    ended = " (an upload was being watched then: that was ended)" if told["reached"]["upload_interrupted"] else ""
    left = f"nothing is left here; {ELSEWHERE}" if told["other_machines"] == NOT_SEARCHED else "nothing is left"
    return f"removed {listed(told['removed'])}{ended}; {left}\nreceipt: {receipt}"
