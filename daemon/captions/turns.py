"""When a caption may be asked for: verification goes first, and keeps calls for itself."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from daemon.vlm.client import VlmClient
from daemon.vlm.errors import VlmBudgetSpent, VlmInterrupted, VlmUnreachable
from daemon.vlm.types import Question, Reply, T
from workers.clock import Clock

STEP_S = 0.2
ATTEMPTS = 3  # at a question that gives way each time
SHARE = 0.5  # of the calls of a minute, at most
RESERVE = 0.25  # of the calls of a day that captions leave


class Turns:
    """Lets captions wait while ``is_busy`` returns that verification has work, until ``stopping`` is set."""

    def __init__(self, is_busy: Callable[[], bool], stopping: threading.Event, clock: Clock) -> None:
        self._is_busy, self._stopping, self._clock = is_busy, stopping, clock
        self._due = 0.0  # monotonic

    def ask(self, client: VlmClient, question: Question[T]) -> Reply[T]:
        """Return the answer when its turn has come; raise ``VlmError``.

        A question in hand gives way to verification, and is asked again: many servers answer one at a time.
        """
        for _ in range(ATTEMPTS - 1):
            with suppress(VlmInterrupted):
                return self._ask(client, question)
        return self._ask(client, question)

    def _ask(self, client: VlmClient, question: Question[T]) -> Reply[T]:
        settings = client.settings
        if client.snapshot().calls_left <= RESERVE * settings.calls_per_day:
            raise VlmBudgetSpent(f"today's calls of {settings.model} that captions may use are used up")
        while self._is_busy() or self._clock.monotonic() < self._due:
            if self._stopping.wait(STEP_S):
                raise VlmUnreachable("the daemon stops")
        self._due = self._clock.monotonic() + 60 / (SHARE * settings.calls_per_minute)
        return client.ask(question, settings.timeout, self._is_busy)


@dataclass(frozen=True, slots=True)
class Asker:
    """``Ask`` of one client."""

    turns: Turns
    client: VlmClient

    def __call__(self, question: Question[T]) -> Reply[T]:
        """Return the answer; raise ``VlmError``."""
        return self.turns.ask(self.client, question)
