"""Live sources that try again at once, and what they give."""

import threading
import time
from collections.abc import Callable

from source_media import SPEC, camera

from workers.backoff import Backoff
from workers.clock import SystemClock
from workers.sources.live import LiveSource
from workers.sources.url import parse_target
from workers.types import FrameBatch, SourceItem

X264 = {"x264-params": "keyint=25:bframes=0:scenecut=0", "tune": "zerolatency"}


def live(url: str, **changes: object) -> LiveSource:
    spec = camera(url, **{"fps": 5.0, **changes})
    clock = SystemClock()
    return LiveSource(spec, parse_target(spec.url), SPEC, clock, Backoff(clock, first_s=0.1, max_s=0.4))


def take(source: LiveSource, enough: Callable[[list[SourceItem]], bool], seconds: float = 12.0) -> list[SourceItem]:
    """Collect items until ``enough`` or the time is up, which is a failure."""
    got: list[SourceItem] = []
    timer = threading.Timer(seconds, source.stop)
    timer.start()
    for item in source.items():
        got.append(item)
        if enough(got):
            break
    timer.cancel()
    done = enough(got)
    source.stop()
    assert done, f"after {seconds} s: {len(got)} items, {source.snapshot()}"
    return got


def frames(items: list[SourceItem]) -> list[FrameBatch]:
    return [i for i in items if isinstance(i, FrameBatch)]


def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
