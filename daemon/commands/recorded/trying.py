"""A backtest as tables for a terminal."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from daemon.backtest.estimate import Estimate, Likely
from daemon.backtest.over_time import Made
from daemon.backtest.run import Backtest
from daemon.backtest.types import CameraResult, Hit, Reason
from daemon.logs.escaping import printable
from workers.events.timestamps import clock_range

BAR = 30  # columns
MOST_HITS = 50  # the surest are shown
REASONS = {
    Reason.NOT_RECORDED: "nothing was recorded",
    Reason.ENCODER: "another model was used",
    Reason.OBJECTS: "nobody looked for objects: no rule asked for them",
    Reason.SOUNDS: "nobody listened for sounds: no rule asked for them",
    Reason.SPEECH: "nobody listened for speech: no rule asked for it",
    Reason.ZONE: "no rule looked at the zone",
}


def print_backtest(found: Backtest) -> None:
    """Print what a rule would have reported, and what follows from it."""
    console = Console()
    for table in (_hits(found.hits, "what it would have reported"), _curve(found), _cameras(found)):
        if table.row_count:
            console.print(table)
    for line in _lines(found):
        console.print(Text(printable(line)), soft_wrap=True)


def print_estimate(found: Estimate, console: Console) -> None:
    """Print what is likely while it is being decided."""
    if found.moments:
        console.print(_hits(found.moments, "estimate: the likeliest moments"))
    many = "or more " if found.more else ""
    console.print(f"estimate: {len(found.moments)} {many}likely moments; exact decisions follow")


def print_made(found: Sequence[Made]) -> None:
    """Print what a rule over time would have found."""
    names = [Column(name, no_wrap=True) for name in ("camera", "start", "end")]
    table = Table(*names, "made of", "", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title="what it would have reported")
    for one in found:
        seen = one.occurrence
        parts = ", ".join(dict.fromkeys(f"{part.source.event} on {part.source.camera}" for part in seen.parts))
        state = "over budget" if seen.over_budget else ""
        cells = (one.rule.camera, *clock_range(seen.start, seen.end, True), parts, state)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console = Console()
    if found:
        console.print(table)
    console.print(f"{len(found)} events")


def _hits(hits: Sequence[Hit | Likely], title: str) -> Table:
    names = [Column(name, no_wrap=True) for name in ("camera", "start", "end", "score", "")]
    table = Table(*names, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title)
    surest = sorted(hits, key=lambda hit: -hit.score)[:MOST_HITS]
    for hit in sorted(surest, key=lambda hit: (hit.camera, hit.start)):
        where = hit.file.name if hit.file else hit.camera
        state = "over budget" if isinstance(hit, Hit) and hit.over_budget else ""
        cells = (where, *clock_range(hit.start, hit.end, hit.live), f"{hit.score:.2f}", state)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _curve(found: Backtest) -> Table:
    table = Table(
        Column("threshold", justify="right"),
        Column("events", justify="right"),
        Column("a day", justify="right"),
        Column("", min_width=BAR),
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title="what each threshold would have given",
    )
    tally = found.tally
    most = tally.counts.max(initial=0.0)
    if tally.hours and most:
        for level, count in zip(tally.levels, tally.counts, strict=True):
            bar = "█" * round(BAR * count / most)
            table.add_row(f"{level:.2f}", f"{count:.0f}", f"{24 * count / tally.hours:.3g}", bar)
    return table


def _cameras(found: Backtest) -> Table:
    names = ("events", "over budget", "hours judged", "hours not judged")
    columns = [Column(name, justify="right") for name in names]
    table = Table("camera", *columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for one in found.cameras:
        over = sum(hit.over_budget for hit in one.hits)
        lost = sum(gap.end - gap.start for gap in one.unjudged) / 3600
        table.add_row(one.camera, str(len(one.hits)), str(over), f"{one.tally.hours:.1f}", f"{lost:.1f}")
    return table


def _lines(found: Backtest) -> Iterator[str]:
    """Yield what there is to say about the result."""
    hits, days = found.hits, found.tally.hours / 24
    if not days:
        yield "nothing of this time can be judged"
    elif not hits:
        yield "it would have reported nothing"
    else:
        hidden = f"; the {MOST_HITS} surest are shown" if len(hits) > MOST_HITS else ""
        yield f"{len(hits)} events, {len(hits) / days:.3g} a day{hidden}"
        yield _budget(found)
    for alike in found.look_alikes:
        yield f"{alike.hits} look like {alike.name!r}: if that is wrong, add `unlike: {alike.unlike}`"
    for camera in found.cameras:
        yield from _unjudged(camera)
    yield from (f"warning: {warning}" for warning in found.warnings)


def _budget(found: Backtest) -> str:
    if found.budget is None:
        return "no budget would have held: more than 60 an hour"
    return f"a budget of `max_false_alerts: {found.budget}` would have held: none of them exceeds it"


def _unjudged(camera: CameraResult) -> Iterator[str]:
    for reason in Reason:
        gaps = [gap for gap in camera.unjudged if gap.reason == reason]
        if gaps:
            hours = sum(gap.end - gap.start for gap in gaps) / 3600
            yield f"camera {camera.camera}: {hours:.1f} h cannot be judged: {REASONS[reason]}"
