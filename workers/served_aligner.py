"""An aligner whose network is elsewhere: beside the encoder, for all streams (``aligner_service``). No torch here."""

import uuid
import weakref
from collections.abc import Sequence
from dataclasses import replace

from alignment.errors import WatchwordError
from alignment.sliding import Logits, SlidingScorer, Unread
from alignment.types import F32, EventQuery, FeatureWindow
from workers.clock import Clock, SystemClock
from workers.errors import ServiceSilent, SessionLost
from workers.services import AlignerClient, answered
from workers.turns import ANYONE, Turn

TRIES = 5
SERVICE = "aligner"


class ServedAligner:
    """Asks a network for what is new of each window. One instance a stream."""

    def __init__(self, client: AlignerClient, clock: Clock | None = None, turn: Turn = ANYONE) -> None:
        self._client, self._clock, self._turn = client, clock or SystemClock(), turn
        self._traits = client.traits()
        self.name, self.lookahead, self.rates = self._traits.name, self._traits.lookahead, self._traits.rates

    def begin(self, queries: Sequence[EventQuery]) -> SlidingScorer:
        """Return a scorer of a sliding window."""
        return SlidingScorer(queries, _Session(self._client, queries, self._clock, self._turn), self._traits)

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return the network's attention to each word."""
        return answered(self._client.attend(window, query), SERVICE)


class _Session:
    """``Network`` of one window: a session there, which is begun anew wherever it was lost."""

    def __init__(self, client: AlignerClient, queries: Sequence[EventQuery], clock: Clock, turn: Turn) -> None:
        self._client, self._queries, self._clock, self._turn = client, queries, clock, turn
        self._name = uuid.uuid4().hex
        self._open = False
        # at the end of its epoch, or of a stream that failed; not at exit, when there may be nobody to call
        weakref.finalize(self, client.end, self._name).atexit = False

    def read(self, window: Unread, first: int) -> Logits:
        """Return the network's answer; where it has forgotten the session, it is told everything and reads it all."""
        for attempt in range(TRIES):
            try:
                return self._ask(window, first)
            except SessionLost:
                self._open = False
            except WatchwordError as error:
                if not error.retryable or isinstance(error, ServiceSilent) or attempt == TRIES - 1:
                    raise
                self._clock.sleep(0.5 * 2**attempt)
        raise SessionLost("the aligner forgets its sessions at once", "its actor is restarted again and again: see why")

    def _ask(self, window: Unread, first: int) -> Logits:
        if self._open:
            return answered(self._client.read(self._name, window.since(first)), SERVICE)
        answered(self._client.begin(self._name, self._queries, self._turn), SERVICE)
        found = answered(self._client.read(self._name, window), SERVICE)
        self._open = True
        return replace(found, seen=found.seen[:, first - window.at :])
