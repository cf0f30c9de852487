"""An aligner whose network is a service for all streams, beside the encoder (``aligner.py``). It loads no torch."""

import uuid
import weakref
from collections.abc import Sequence
from dataclasses import replace

from alignment.aligners.trained.incremental import Logits, SlidingScorer, WindowDelta
from alignment.errors import WatchwordError
from alignment.types import F32, EventQuery, FeatureWindow
from workers.clock import Clock, SystemClock
from workers.errors import ServiceUnresponsive, SessionLost
from workers.services.clients import AlignerClient, result_of
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext

TRIES = 5
SERVICE = "aligner"


class ServedAligner:
    """Sends what is new of each window to the network. One instance per stream."""

    def __init__(
        self, client: AlignerClient, clock: Clock | None = None, context: RequestContext = DEFAULT_CONTEXT
    ) -> None:
        self._client, self._clock, self._context = client, clock or SystemClock(), context
        self._info = client.info()
        self.name, self.lookahead, self.rates = self._info.name, self._info.lookahead, self._info.rates

    def begin(self, queries: Sequence[EventQuery]) -> SlidingScorer:
        """Return a scorer of a sliding window."""
        return SlidingScorer(queries, _Session(self._client, queries, self._clock, self._context), self._info)

    def attend(self, window: FeatureWindow, query: EventQuery) -> F32:
        """Return the network's attention to each word."""
        return result_of(self._client.attend(window, query), SERVICE)


class _Session:
    """``Network`` of one window: a session of the service, opened again when it was lost."""

    def __init__(
        self, client: AlignerClient, queries: Sequence[EventQuery], clock: Clock, context: RequestContext
    ) -> None:
        self._client, self._queries, self._clock, self._context = client, queries, clock, context
        self._name = uuid.uuid4().hex
        self._open = False
        # at the end of its segment, or of a stream that failed; not at exit, when the service may be gone
        weakref.finalize(self, client.end, self._name).atexit = False

    def read(self, window: WindowDelta, first: int) -> Logits:
        """Return the logits of what is new; where the session was lost, open it again and send the whole window."""
        for attempt in range(TRIES):
            try:
                return self._request(window, first)
            except SessionLost:
                self._open = False
            except WatchwordError as error:
                if not error.retryable or isinstance(error, ServiceUnresponsive) or attempt == TRIES - 1:
                    raise
                self._clock.sleep(0.5 * 2**attempt)
        raise SessionLost(
            f"a session of the aligner was lost {TRIES} times in a row", "the log says why its actor restarts"
        )

    def _request(self, window: WindowDelta, first: int) -> Logits:
        if self._open:
            return result_of(self._client.read(self._name, window.since(first)), SERVICE)
        result_of(self._client.begin(self._name, self._queries, self._context), SERVICE)
        found = result_of(self._client.read(self._name, window), SERVICE)
        self._open = True
        return replace(found, seen=found.seen[:, first - window.at :])
