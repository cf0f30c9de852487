"""Why an event was reported, as text for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from daemon.logs.escaping import printable
from workers.events.event import Event
from workers.events.timestamps import clock

HEIGHT = 6  # lines of the chart
LABEL = 5  # columns before it
WIDEST = 3  # columns of one point
BAR = 30  # columns
RISING = " ▁▂▃▄▅▆▇█"
GROWING = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
OF_SPAN, OF_REST, OF_THRESHOLD = "green", "dim", "red"


def explained(event: Event, width: int) -> RenderableType:
    """Return the scores along time, the attention over words and the modalities' shares, ``width`` columns wide."""
    evidence = event.evidence
    parts: list[RenderableType] = []
    if evidence.timeline:
        parts += [_chart(event, width), Text()]
    if evidence.attention:
        parts += [_bars("words", evidence.attention), Text()]
    parts.append(_bars("judged by", list(event.modalities.items())))
    return Group(*parts)


def _chart(event: Event, width: int) -> Text:
    """Return bars of the probabilities, the threshold as a broken line between them, the span below them."""
    room, threshold = max(1, width - LABEL), event.rule.threshold
    times = event.evidence.timeline[-room:]
    each = max(1, min(WIDEST, room // len(times)))
    inside = [event.start <= t <= event.end for t, _ in times]
    chart = Text()
    for row in reversed(range(HEIGHT)):
        chart.append({0: "0.0", HEIGHT - 1: "1.0"}.get(row, "").rjust(LABEL - 1) + "│", OF_REST)
        crossed = threshold is not None and min(HEIGHT - 1, int(threshold * HEIGHT)) == row
        for (_, p), of_span in zip(times, inside, strict=True):
            block = RISING[min(8, max(0, round(p * HEIGHT * 8) - row * 8))]
            if block == " " and crossed:
                chart.append("┄" * each, OF_THRESHOLD)
            else:
                chart.append(block * each, OF_SPAN if of_span else OF_REST)
        chart.append("\n")
    chart.append(" " * (LABEL - 1) + "└", OF_REST)
    for of_span in inside:
        chart.append(("━" if of_span else "─") * each, OF_SPAN if of_span else OF_REST)
    first, last = (clock(t, event.live).rpartition(" ")[2] for t in (times[0][0], times[-1][0]))
    chart.append(f"\n{'':{LABEL}}{first}{last:>{max(len(times) * each - len(first), len(last) + 1)}}\n", OF_REST)
    chart.append(f"{'':{LABEL}}━ the event", OF_SPAN)
    if threshold is not None:
        chart.append(f"  ┄ threshold {threshold:.4g}", OF_THRESHOLD)
    return chart


def _bars(title: str, rows: Sequence[tuple[str, float]]) -> Table:
    table = Table.grid(
        Column(min_width=10),
        Column(overflow="fold"),
        Column(min_width=BAR),
        Column(justify="right"),
        padding=(0, 2, 0, 0),
    )
    for i, (name, share) in enumerate(rows):
        eighths = round(share * BAR * 8)
        bar = "█" * (eighths // 8) + GROWING[eighths % 8]
        table.add_row(Text(title if i == 0 else "", OF_REST), Text(printable(name)), Text(bar, OF_SPAN), f"{share:.0%}")
    return table
