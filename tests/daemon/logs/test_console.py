import re
from typing import Any

import pytest

from daemon.logs.console import console_line

AT = {"timestamp": "2026-05-01T10:58:37.123456Z", "logger": "x", "level": "info"}


def line(event: str, **fields: Any) -> str:
    """Return the line without its time, which is local."""
    time, _, rest = console_line(None, "", {**AT, "event": event, **fields}).partition(" ")
    assert re.fullmatch(r"\d\d:\d\d:37", time)
    return rest


def about(kind: str, **fields: Any) -> str:
    live = {
        "camera": "door",
        "event_name": "dog",
        "id": "ab",
        "live": True,
        "start": 1.8e9,
        "end": 1.8e9 + 12,
        "score": 0.857,
    }
    return line("event", **{"type": kind, **live, **fields})


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (about("new"), "door · dog began (86 %)"),
        (about("end"), "door · dog ended after 12 s (86 %)"),
        (about("end", over_budget=True), "door · dog ended after 12 s (86 %, over budget)"),
        (about("new", live=False, start=6.5, end=14.5), "door · dog began at 0:00:06.5 (86 %)"),
        (about("end", live=False, start=6.5, end=14.5), "door · dog ended at 0:00:14.5 (86 %)"),
        (
            about("new", camera="uploads", file="gate/a.mp4", live=False, start=6.5, end=14.5),
            "uploads · gate/a.mp4 · dog began at 0:00:06.5 (86 %)",
        ),
        (line("listening", url="http://127.0.0.1:8080"), "listening url=http://127.0.0.1:8080"),
        (
            line("source_down", level="warning", camera="door", why="sent no data"),
            "warning: door · source_down why='sent no data'",
        ),
        (line("event", cameras=2), "event cameras=2"),
        (line("failed", level="error", exception="Traceback\n  X"), "error: failed\nTraceback\n  X"),
    ],
)
def test_a_line_is_read_at_a_glance(shown: str, expected: str) -> None:
    assert shown == expected
