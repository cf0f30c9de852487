"""Asks a vision-language model, within a deadline and the budget of calls."""

import threading
from collections import Counter
from collections.abc import Callable

from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.answers import completion
from daemon.vlm.budget import CallBudget
from daemon.vlm.connection import Answer, Connection
from daemon.vlm.errors import VlmBudgetSpent, VlmError, VlmRefused, VlmUnreachable
from daemon.vlm.messages import FORMATS, chat
from daemon.vlm.types import Question, Reply, T, VlmSnapshot
from workers.backoff import Backoff, retry_after_s
from workers.clock import Clock, SystemClock
from workers.telemetry import Histogram

ATTEMPTS = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0
NOT_UNDERSTOOD = (400, 422)  # also what a server answers that does not know the form of the request
REASONS = {
    401: "rejects the key",
    403: "rejects the key",
    404: "knows no such model, or has no /chat/completions below this URL",
    413: "takes no request of this size: lower `frames`",
}


class VlmClient:
    """The client of one configured server. From any thread."""

    def __init__(self, settings: VlmSettings, calls: CallBudget, clock: Clock | None = None) -> None:
        self.settings = settings
        self._calls, self._clock = calls, clock or SystemClock()
        self._connection = Connection(settings)
        self._formats = FORMATS  # that may work; one of them once it is known
        self._mutex = threading.Lock()
        self._asked = self._answered = self._tokens = 0
        self._failures: Counter[str] = Counter()
        self._latency = Histogram()

    def ask(self, question: Question[T], deadline_s: float, gives_way: Callable[[], bool] = lambda: False) -> Reply[T]:
        """Return the answer within ``deadline_s``; raise ``VlmError``, ``VlmInterrupted`` once ``gives_way`` is true.

        Broken connections and the statuses 429 and 5xx are tried again, as far as deadline and budget allow.
        """
        began = self._clock.monotonic()
        with self._mutex:
            self._asked += 1
        try:
            found, tokens = self._ask(question, began + deadline_s, gives_way)
        except VlmError as error:
            with self._mutex:
                self._failures[error.code] += 1
            raise
        took = self._clock.monotonic() - began
        with self._mutex:
            self._answered += 1
            self._tokens += tokens
            self._latency.observe(took)
        return Reply(found, self.settings.model, took, tokens)

    def snapshot(self) -> VlmSnapshot:
        """Return what was asked and answered since the start, and what is left of today's calls."""
        today = self._calls.today()
        with self._mutex:
            return VlmSnapshot(
                str(self.settings.url),
                self.settings.model,
                self._asked,
                self._answered,
                dict(self._failures),
                self._tokens,
                self._latency.snapshot(),
                today.calls,
                today.tokens,
                max(0, self.settings.calls_per_day - today.calls),
            )

    def close(self) -> None:
        """End all requests."""
        self._connection.close()

    def _ask(self, question: Question[T], until: float, gives_way: Callable[[], bool]) -> tuple[T, int]:
        """Return the answer and its tokens; ``until`` is monotonic."""
        backoff = Backoff(self._clock, FIRST_WAIT_S, LONGEST_WAIT_S)
        formats = list(self._formats)
        failures = 0
        while True:
            self._take_call(until)
            body = chat(question, self.settings.model, formats[0])
            try:
                answer = self._connection.post(body, until - self._clock.monotonic(), gives_way)
            except VlmUnreachable as error:
                failure: VlmError = error
                wait_s = 0.0
            else:
                if answer.status == 200:
                    self._formats = (formats[0],)
                    found = completion(answer.body)
                    tokens = found.tokens(len(body), question.max_tokens)
                    self._calls.spend(tokens)
                    return found.answer(question.answer), tokens
                if answer.status in NOT_UNDERSTOOD and len(formats) > 1:
                    del formats[0]
                    continue
                failure, wait_s = self._failure(answer), retry_after_s(answer.retry_after, self._clock.wall())
            failures += 1
            wait_s = max(wait_s, backoff.failed())
            if not failure.retryable or failures >= ATTEMPTS or self._clock.monotonic() + wait_s >= until:
                raise failure
            self._connection.pause(wait_s)

    def _take_call(self, until: float) -> None:
        """Take a call from the budget; wait for it if the minute allows it in time."""
        while wait_s := self._calls.take(self.settings):
            if self._clock.monotonic() + wait_s >= until:
                raise VlmBudgetSpent(
                    f"{self.settings.calls_per_minute} calls a minute of {self.settings.model} are used up"
                )
            self._connection.pause(wait_s)

    def _failure(self, answer: Answer) -> VlmError:
        status, server = answer.status, self.settings.url
        if status == 429 or status >= 500:
            return VlmUnreachable(f"{server} is overloaded or fails (status {status})")
        if status in NOT_UNDERSTOOD:
            self._formats = FORMATS  # perhaps another server or model by now
        moved = "redirects elsewhere: write the URL it redirects to"
        reason = moved if 300 <= status < 400 else REASONS.get(status, "does not accept the request")
        return VlmRefused(f"{server} {reason} (status {status})")
