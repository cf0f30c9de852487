"""The name of a look-alike: the most frequent one, never a reason to fail or to wait."""

from concurrent.futures import Future
from dataclasses import replace
from typing import cast

import numpy as np

from alignment.types import Span, SpanChange
from workers.decisions.budgets.look_alikes import REMEMBERED, LookAlikes
from workers.decisions.segment import Segment
from workers.errors import ModelUnavailable
from workers.services.clients import EncoderClient

OVER = SpanChange("new", 1.0, 0, Span("cat", 1.0, 4.0, 0.99, True, (1, 0, 0), (), over_budget=True))


class Namer:
    """Names what it is asked in turn; None: later."""

    def __init__(self, *names: str | Exception | None) -> None:
        self.names, self.asked = list(names), list["Future[str]"]()

    def nearest_name(self, frames: np.ndarray) -> "Future[str]":
        name, response = self.names.pop(0), Future[str]()
        self.asked.append(response)
        if isinstance(name, Exception):
            response.set_exception(name)
        elif name is not None:
            response.set_result(name)
        return response


class Frames:
    """A segment with ``count`` frames of every span."""

    def __init__(self, count: int = 2) -> None:
        self.count = count

    def frames_of(self, span: Span) -> np.ndarray:
        return np.ones((self.count, 4), np.float32)


def look_alikes(namer: Namer) -> LookAlikes:
    return LookAlikes(cast(EncoderClient, namer))


def segment(frames: int = 2) -> Segment:
    return cast(Segment, Frames(frames))


def test_the_most_frequent_name_is_given() -> None:
    names = look_alikes(Namer("fox", "plush toy", "plush toy", ""))
    for expected in ("fox", "fox", "plush toy", "plush toy"):
        names.add([OVER], segment())
        assert names.names() == {"cat": expected}


def test_only_new_events_over_budget_with_frames_are_named() -> None:
    namer = Namer()
    names = look_alikes(namer)
    names.add([replace(OVER, type="end"), replace(OVER, span=replace(OVER.span, over_budget=False))], segment())
    names.add([OVER], segment(frames=0))
    assert namer.asked == []


def test_a_late_name_counts_and_a_failure_does_not() -> None:
    namer = Namer(None, ModelUnavailable("no encoder"))
    names = look_alikes(namer)
    names.add([OVER], segment())
    names.add([OVER], segment())
    assert names.names() == {}
    namer.asked[0].set_result("fox")
    assert names.names() == {"cat": "fox"}


def test_what_is_old_gives_way() -> None:
    names = look_alikes(Namer(*["fox"] * 2 * REMEMBERED, *["plush toy"] * REMEMBERED))
    for _ in range(3 * REMEMBERED):
        names.add([OVER], segment())
    assert names.names() == {"cat": "plush toy"}
