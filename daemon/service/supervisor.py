"""Supervision of streams: every camera that should run has a stream, and a stream that fails is restarted.

A stream that fails is restarted after a jittered back-off. Five restarts within a minute use up the restart budget:
the camera is then *degraded*, its restarts become rarer, at most one a minute, and never stop. A file that is no media
at all is not tried again. A stream is *stuck* if it makes no progress for several stall timeouts although its source
is up: it is asked to stop, killed at a deadline, and restarted. ``daemon.observability.camera_state`` has the states.
"""

from dataclasses import replace

import structlog

from alignment.errors import WatchwordError
from daemon.observability.camera_state import CameraState, IllegalTransition, check_transition, running_state
from daemon.observability.snapshot import CameraStatus
from daemon.runtime.base import StreamHandle, StreamStarter
from daemon.service.supervised_camera import RESTARTS, SupervisedCamera
from workers.backoff import Backoff
from workers.clock import Clock, PollTimer, SystemClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.decisions.stream_rules import RulesOrder
from workers.errors import ModelUnavailable, ServiceLost, SourceError
from workers.sources.url import is_live
from workers.types import CameraSpec, EventSpec

BUDGET_S = 60.0
RETRY_S = 10.0  # the longest wait while an outage is young: after an outage of a minute, streams run within 15 s
DEGRADED_RETRY_S = 60.0  # the longest wait after ten minutes of outage; in between, a tenth of its duration
STUCK_STALLS = 4  # stall timeouts without progress
STOP_DEADLINE_S = 10.0
RULES_DEADLINE_S = 60.0  # what a stream may decide by its former rules, in stream seconds
START_DEADLINE_S = 300.0  # for opening, once; models may have to be loaded before

log = structlog.get_logger()


class Supervisor:
    """Keeps the streams of a runtime running. Call ``step`` about twice a second; it does not block for long."""

    def __init__(
        self, runtime: StreamStarter, clock: Clock | None = None, retry: bool = True, raise_illegal: bool = False
    ) -> None:
        """``retry`` False (``--once``): a stream that fails is not restarted.

        ``raise_illegal``: raise ``IllegalTransition`` where a camera's state changes as it must not, as tests want;
        else only log the error.
        """
        self._runtime = runtime
        self._clock = clock or SystemClock()
        self._retry, self._raise_illegal = retry, raise_illegal
        self._cameras: dict[str, SupervisedCamera] = {}
        self._forgotten: dict[str, StreamSnapshot] = {}  # cameras that may come again, and then continue to count

    @property
    def cameras(self) -> tuple[SupervisedCamera, ...]:
        """Return all cameras."""
        return tuple(self._cameras.values())

    def handle_of(self, name: str) -> StreamHandle | None:
        """Return the running attempt at a camera; None without one. From any thread."""
        camera = self._cameras.get(name)
        return camera.handle if camera else None

    @property
    def statuses(self) -> tuple[CameraStatus, ...]:
        """Return the status of all cameras, forgotten ones included: no counter disappears or decreases."""
        gone = (CameraStatus(snapshot, CameraState.ENDED) for snapshot in self._forgotten.values())
        return (*(camera.status for camera in self.cameras), *gone)

    def watch(self, camera: CameraSpec, events: tuple[EventSpec, ...], attempts: int | None = None) -> None:
        """Add a camera; the next ``step`` starts its stream.

        ``attempts``: how often its source may fail, its process die or get stuck before it fails for good, for a file
        that others wait behind; None: it never does.
        """
        backoff = Backoff(self._clock, max_s=RETRY_S)
        blank = StreamSnapshot(camera.name)
        snapshot = blank.after(self._forgotten.pop(camera.name, blank))
        rounds, outage = PollTimer(self._clock), PollTimer(self._clock)
        self._cameras[camera.name] = SupervisedCamera(
            camera, events, backoff, rounds, outage, snapshot=snapshot, attempts=attempts
        )

    def configure(self, camera: CameraSpec, order: RulesOrder) -> None:
        """Add a camera, or change one: its rules while it runs, anything else by a restart of this camera alone."""
        events = order.events
        known = self._cameras.get(camera.name)
        if known is None:
            self.watch(camera, events)
        elif known.leave_by is not None:
            known.successor = camera, events
        elif replace(known.spec, events=(), over_time=()) != replace(camera, events=(), over_time=()):
            self._leave(known, (camera, events))
        else:
            known.spec, known.events = camera, events
            if known.handle is not None:
                known.ordered, known.ordered_at = order.config_hash, known.snapshot.position_s
                known.handle.change_rules(order)

    def remove(self, name: str) -> None:
        """End a camera that is no longer configured, and forget it with its counters."""
        self._leave(self._cameras[name], None)

    def _leave(self, camera: SupervisedCamera, successor: tuple[CameraSpec, tuple[EventSpec, ...]] | None) -> None:
        camera.successor = successor
        if camera.leave_by is None:
            camera.leave_by = self._clock.monotonic() + STOP_DEADLINE_S
            self.retire(camera.name)

    def _left(self, camera: SupervisedCamera) -> None:
        """Replace or forget a camera that was asked to leave, once its stream has ended or its time is over."""
        if camera.handle is not None and camera.leave_by is not None and self._clock.monotonic() > camera.leave_by:
            log.warning("stream did not stop in time", camera=camera.name, deadline_s=STOP_DEADLINE_S)
            camera.handle.kill()
            camera.handle = None
        if camera.handle is not None:
            return
        if camera.successor is None:
            del self._cameras[camera.name]
            return
        self.forget(camera.name)
        self.watch(*camera.successor)

    def retire(self, name: str) -> None:
        """Ask a camera's stream for an orderly end, for good; the camera is ``done`` after that."""
        self._cameras[name].retired = True
        self._stop(self._cameras[name])

    def forget(self, name: str) -> None:
        """Remove a camera that is done; its counters stay."""
        self._forgotten[name] = StreamSnapshot(name, StreamState.FINISHED).after(self._cameras.pop(name).snapshot)

    def step(self, only: str | None = None) -> None:
        """Look at every stream once, or at that of the camera ``only``; start, restart or kill what needs it."""
        for camera in [c for c in self._cameras.values() if only in (None, c.name)]:
            if camera.handle is not None:
                self._look(camera)
            elif not camera.done and self._clock.monotonic() >= camera.retry_at:
                self._start(camera)
            camera.notice()
            if camera.leave_by is not None:
                self._left(camera)

    def drain(self, deadline_s: float) -> bool:
        """Ask every stream for an orderly end and wait; kill what has not ended by then; return whether all did."""
        for name in self._cameras:
            self.retire(name)
        end = self._clock.monotonic() + deadline_s
        while self._running() and self._clock.monotonic() < end:
            self._clock.sleep(0.1)
            for camera in self._running():
                self._look(camera)
        late = self._running()
        for camera in late:
            log.warning("stream did not stop in time", camera=camera.name, deadline_s=deadline_s)
            assert camera.handle is not None
            camera.handle.kill()
        return not late

    def _running(self) -> list[SupervisedCamera]:
        return [c for c in self._cameras.values() if c.handle is not None]

    def _enter(self, camera: SupervisedCamera, state: CameraState) -> None:
        """Set a camera's state: the only place where it changes."""
        try:
            check_transition(camera.state, state)
        except IllegalTransition as error:
            if self._raise_illegal:
                raise
            log.error("illegal change of a camera's state: a bug", camera=camera.name, change=str(error))
        camera.state = state

    def _start(self, camera: SupervisedCamera) -> None:
        camera.handle = self._runtime.start_stream(camera.spec, camera.events)
        camera.stop_by, camera.idle_s, camera.before, camera.ordered = None, 0.0, camera.snapshot, ""
        camera.rounds.passed()
        self._enter(camera, CameraState.STARTING)

    def _stop(self, camera: SupervisedCamera) -> None:
        """Ask a stream for an orderly end; end a camera that waits for a start."""
        if camera.handle is not None:
            camera.handle.stop()
            self._enter(camera, CameraState.STOPPING)
        elif not camera.done:
            self._enter(camera, CameraState.ENDED if camera.state is CameraState.STARTING else CameraState.FAILED)

    def _look(self, camera: SupervisedCamera) -> None:
        """Take a stream's snapshot and act on it."""
        assert camera.handle is not None
        passed, before = camera.rounds.passed(), camera.snapshot.progress_wall
        try:
            camera.snapshot = camera.handle.snapshot().after(camera.before)
        except ServiceLost as error:
            self._died(camera, error)
            return
        camera.idle_s = camera.idle_s + passed if camera.snapshot.progress_wall == before else 0.0
        for text in camera.snapshot.warnings:
            if text not in camera.warned:
                log.warning(text, camera=camera.name)
        camera.warned |= {*camera.snapshot.warnings}
        state = camera.snapshot.state
        if state == StreamState.FINISHED and camera.stop_by is not None:  # stuck, then stopped: not its source's end
            self._died(camera, ServiceLost("no progress", "the stream is restarted"))
        elif state == StreamState.FINISHED:
            camera.handle = None
            self._enter(camera, CameraState.ENDED)
            log.info("stream finished", camera=camera.name)
        elif state == StreamState.FAILED:
            failure = camera.snapshot.failure or WatchwordError("the stream failed without an error")
            end = self._died if isinstance(failure, SourceError) else self._ended
            end(camera, failure, _may_succeed(camera.spec, failure))
        else:
            self._check_running(camera)

    def _check_running(self, camera: SupervisedCamera) -> None:
        """Update the state of a stream that has not ended, and stop or kill it where it is stuck."""
        stream = camera.snapshot
        if camera.state is not CameraState.STOPPING:
            self._enter(camera, running_state(stream, camera.idle_s))
        if stream.state == StreamState.STARTING:
            self._check_stuck(camera, START_DEADLINE_S, True)
            return
        camera.backoff.succeeded()
        if camera.degraded and self._clock.monotonic() - camera.recent[-1] > DEGRADED_RETRY_S + BUDGET_S:
            camera.degraded_at = None
        self._check_stuck(camera, STUCK_STALLS * stream.stall_timeout_s, stream.source.up)
        camera.ordered_at = camera.ordered_at or stream.position_s
        late = camera.ordered not in ("", stream.config_hash) and camera.stop_by is None
        if late and stream.position_s - camera.ordered_at > RULES_DEADLINE_S:
            log.error("stream did not take up its rules, restarting it", camera=camera.name)
            self._stop(camera)
            camera.stop_by = self._clock.monotonic() + STOP_DEADLINE_S

    def _check_stuck(self, camera: SupervisedCamera, patience_s: float, up: bool) -> None:
        assert camera.handle is not None
        now = self._clock.monotonic()
        if camera.stop_by is None:
            if up and camera.idle_s > patience_s:
                log.error("stream is stuck, stopping it", camera=camera.name, idle_s=round(camera.idle_s, 1))
                self._stop(camera)
                camera.stop_by = now + STOP_DEADLINE_S
        elif now > camera.stop_by:
            self._died(camera, ServiceLost(f"no progress for {camera.idle_s:.0f} s", "the stream is restarted"))

    def _died(self, camera: SupervisedCamera, error: WatchwordError, retry: bool = True) -> None:
        """End an attempt that may have failed because of its source; such ends count towards ``attempts``."""
        camera.deaths += 1
        self._ended(camera, error, retry and camera.deaths != camera.attempts)

    def _ended(self, camera: SupervisedCamera, error: WatchwordError, retry: bool) -> None:
        """End an attempt that failed, and plan the next one."""
        assert camera.handle is not None
        camera.handle.kill()
        camera.handle = None
        source = replace(camera.snapshot.source, up=False)  # a process that was killed could not report it
        why = camera.snapshot.error or str(error)
        camera.snapshot = replace(camera.snapshot, state=StreamState.FAILED, error=why, source=source)
        if camera.retired or not (retry and self._retry):
            self._enter(camera, CameraState.FAILED)
            log.error("stream failed", camera=camera.name, error=why)
            return
        now = self._clock.monotonic()
        camera.recent.append(now)
        camera.restarts += 1
        if not camera.degraded and len(camera.recent) == RESTARTS and now - camera.recent[0] < BUDGET_S:
            camera.degraded_at = now
        wait = camera.backoff.failed()
        if camera.degraded_at is not None:
            wait = min(max(RETRY_S, (now - camera.degraded_at) / 10), DEGRADED_RETRY_S)
        camera.retry_at = now + wait
        self._enter(camera, CameraState.DEGRADED if camera.degraded else CameraState.BACKING_OFF)
        log.error(
            "stream failed, restarting it",
            camera=camera.name,
            error=why,
            wait_s=round(wait, 1),
            degraded=camera.degraded,
        )


def _may_succeed(camera: CameraSpec, failure: WatchwordError) -> bool:
    """Return whether a retry may help. A model that cannot be loaded now was loaded when the daemon started."""
    return failure.retryable or is_live(camera.url) or isinstance(failure, ModelUnavailable)
