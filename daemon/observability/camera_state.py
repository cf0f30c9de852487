"""The states of a camera, and which state may follow which.

A ``StreamState`` describes one attempt to run a camera's stream, as the stream sees it. A ``CameraState`` describes
the camera over all attempts, as the supervisor sees it twice a second: a state that lasts less may be skipped.
"""

from collections.abc import Mapping
from enum import StrEnum, unique

from workers.decisions.snapshot import StreamSnapshot, StreamState


@unique
class CameraState(StrEnum):
    """What a camera does now; the values are those of ``state`` in ``/healthz``."""

    STARTING = "starting"  # its stream is created, loads what it needs, or opens its source
    UP = "up"  # frames arrive
    RECONNECTING = "reconnecting"  # the source is lost; the stream itself opens it again
    STALLED = "stalled"  # the source is up, but nothing was decided for longer than the stall timeout
    STOPPING = "stopping"  # the stream was asked for an orderly end
    BACKING_OFF = "backing_off"  # the stream failed; its restart is planned
    DEGRADED = "degraded"  # as BACKING_OFF with the restart budget used up: restarts become rare
    ENDED = "ended"  # final: the source ended, or the stream was stopped on request
    FAILED = "failed"  # final: the stream failed and is not restarted

    @property
    def is_final(self) -> bool:
        """Return whether no state follows."""
        return not TRANSITIONS[self]


_RUNNING = frozenset({CameraState.UP, CameraState.RECONNECTING, CameraState.STALLED})
_OVER = frozenset({CameraState.BACKING_OFF, CameraState.DEGRADED, CameraState.ENDED, CameraState.FAILED})
_WAITED = frozenset({CameraState.STARTING, CameraState.FAILED})

TRANSITIONS: Mapping[CameraState, frozenset[CameraState]] = {
    CameraState.STARTING: _OVER | {CameraState.UP, CameraState.RECONNECTING, CameraState.STOPPING},
    **{state: (_RUNNING - {state}) | {CameraState.STOPPING} | _OVER for state in _RUNNING},
    CameraState.STOPPING: _OVER,
    CameraState.BACKING_OFF: _WAITED,
    CameraState.DEGRADED: _WAITED,
    CameraState.ENDED: frozenset(),
    CameraState.FAILED: frozenset(),
}


class IllegalTransition(RuntimeError):
    """A camera was about to enter a state that may not follow the one it is in: a bug."""


def check_transition(before: CameraState, after: CameraState) -> None:
    """Raise ``IllegalTransition`` unless ``after`` is ``before`` or may follow it."""
    if after is not before and after not in TRANSITIONS[before]:
        raise IllegalTransition(f"{before} -> {after}")


def running_state(stream: StreamSnapshot, idle_s: float) -> CameraState:
    """Return the state of a camera whose stream runs and was not asked to stop.

    ``idle_s``: seconds without progress. A live source that is down is the camera's outage, not a stall.
    """
    if stream.state == StreamState.STARTING:
        return CameraState.STARTING
    if stream.live and not stream.source.up:
        return CameraState.RECONNECTING
    return CameraState.STALLED if idle_s > stream.stall_timeout_s else CameraState.UP
