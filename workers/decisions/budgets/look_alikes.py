"""What events over budget look like, by the names that the encoder knows: a hint at the look-alike to exclude."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Protocol

from alignment.types import F32, SpanChange
from workers.decisions.segment import Segment

REMEMBERED = 50  # events; what is older counts half


class Namer(Protocol):
    """Names what frames show: an encoder."""

    def nearest_name(self, frames: F32) -> "Future[str]":
        """Return the name of the thing that frames f32[N, D] are most like; "" if none is known."""
        ...


class LookAlikes:
    """The most frequent name of the events of each kind that are over budget. Names arrive in any thread."""

    def __init__(self, encoder: Namer) -> None:
        self._encoder = encoder
        self._names: dict[str, Counter[str]] = {}

    def restore(self, names: Mapping[str, str]) -> None:
        """Start from saved names by event."""
        self._names = {event: Counter([name]) for event, name in names.items()}

    def forget(self, kept: Collection[str]) -> None:
        """Forget the names of all events but those that are ``kept``."""
        self._names = {event: names for event, names in self._names.items() if event in kept}

    def add(self, changes: Iterable[SpanChange], segment: Segment) -> None:
        """Request the name of what each new event over budget shows; does not wait for it."""
        for change in changes:
            frames = segment.frames_of(change.span)
            if change.type == "new" and change.span.over_budget and len(frames):
                self._encoder.nearest_name(frames).add_done_callback(partial(self._note, change.span.event))

    def names(self) -> dict[str, str]:
        """Return the most frequent name by event, for the events of which one is known."""
        return {event: names.most_common(1)[0][0] for event, names in list(self._names.items())}

    def _note(self, event: str, response: "Future[str]") -> None:
        if response.cancelled() or response.exception() is not None or not response.result():
            return  # a hint only: no name is no failure
        names = Counter(self._names.get(event))
        names[response.result()] += 1
        if names.total() > REMEMBERED:
            names = Counter({name: n // 2 for name, n in names.items() if n > 1})
        self._names[event] = names
