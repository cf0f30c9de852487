"""Waiting for what a model still has to say, with a line of progress."""

from collections.abc import Callable

import structlog

from workers.clock import Clock

LOOK_S = 0.05
FIRST_LINE_S, LINE_S = 2.0, 10.0

log = structlog.get_logger()


def wait_for_model(
    wanted: str,
    waiting: Callable[[], int],
    is_done: Callable[[], bool],
    timeout_s: float,
    is_cancelled: Callable[[], bool],
    clock: Clock,
) -> None:
    """Wait until ``is_done``, at most ``timeout_s``; ``wanted`` names what comes, ``waiting`` for how many events."""
    end, line = clock.monotonic() + timeout_s, clock.monotonic() + FIRST_LINE_S
    while not (is_cancelled() or is_done()):
        now = clock.monotonic()
        if now >= end:
            log.warning("the model was not waited for any longer: the rest comes after the next start", wanted=wanted)
            return
        if now >= line:
            log.info("waiting for the model", wanted=wanted, events=waiting(), longest_s=round(end - now))
            line = now + LINE_S
        clock.sleep(LOOK_S)
