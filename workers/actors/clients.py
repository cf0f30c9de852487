"""The Ray transport: calls to services in actors, with our own errors."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from alignment.errors import WatchwordError
from workers.errors import ServiceDied, ServiceLost

Handle = Any  # Ray's actor handles and references carry no types


@dataclass(frozen=True, slots=True)
class RayTransport:
    """A ``Transport`` to one service of an actor (``workers/actors/shells.py``)."""

    actor: Handle
    service: str

    def __call__(self, method: str, /, *args: Any) -> "Future[Any]":
        """Send a request; return its Future, whose errors are ours."""
        response: Future[Any] = Future()

        def settle(done: "Future[Any]") -> None:
            error = done.exception()
            if error is None:
                response.set_result(done.result())
            else:
                response.set_exception(_ours(error))

        self.actor.call.remote(self.service, method, *args).future().add_done_callback(settle)
        return response


def get(ref: Handle, timeout_s: float | None = None) -> Any:
    """Wait for a remote result. Raise our own error as it was raised there, ``ServiceDied`` for a dead actor.

    Raise ``ServiceLost`` after ``timeout_s``; None: wait without limit.
    """
    try:
        return ray.get(ref, timeout=timeout_s)
    except (RayTaskError, RayActorError, GetTimeoutError) as error:
        raise _ours(error) from None


def _ours(error: BaseException) -> BaseException:
    """Return our own error for an exception that came through Ray."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        return cause if isinstance(cause, WatchwordError) else error
    if isinstance(error, RayActorError):
        return ServiceDied("an actor died", "it is restarted; see the log for why")
    if isinstance(error, GetTimeoutError):
        return ServiceLost("an actor does not respond", "it is busy or stopped")
    return error
