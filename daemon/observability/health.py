"""Health checks: liveness and readiness as functions of a snapshot.

Liveness means *progress*, not a process that responds: a running stream decodes, the encoder finishes the work that
waits, the supervisor makes its rounds. A stream that reconnects, has ended, or waits for its restart is not stuck:
restarting the daemon would not help. ``health`` tells of such a camera too, once it has been *down* for a while.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from daemon.config.sections.cameras import UPLOADS
from daemon.observability.camera_state import CameraState
from daemon.observability.snapshot import CameraStatus, DaemonSnapshot, EncoderSnapshot
from workers.clock import Clock
from workers.models.profiles import PROFILES

ENCODER_STUCK_S = 60.0
BEAT_STUCK_S = 30.0
# The source's watchdog acts after one stall_timeout, the supervisor after four: what lasts longer, nothing repairs.
STALL_FACTOR = 6.0
# A camera is down that has given nothing for so long: at least, and in stall timeouts. One that has just been
# started may need as long again to open its source.
DOWN_S, DOWN_STALLS = 30.0, 2.0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The result of a check. ``problems`` says in words why it is not well, even where that leaves it ``ok``.

    ``down`` names the cameras that give nothing; ``details`` is plain JSON.
    """

    ok: bool
    problems: tuple[str, ...]
    down: tuple[str, ...]
    details: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the body of a response."""
        status = ("degraded" if self.problems else "ok") if self.ok else "failing"
        return {"status": status, "problems": list(self.problems), "down": list(self.down), **self.details}


def is_alive(snapshot: DaemonSnapshot, clock: Clock) -> bool:
    """Return whether everything that should make progress does; cameras that are down are not the daemon's fault."""
    return not any(_stalls(snapshot, clock.monotonic()))


def health(snapshot: DaemonSnapshot, clock: Clock) -> HealthReport:
    """Return whether the daemon is alive, and not every camera down.

    Cameras that are down are problems, and so is a configuration file that is not valid and thus not in force.
    """
    now = clock.monotonic()
    expected = [camera for camera in snapshot.cameras if _is_expected(camera)]
    down = {camera.name: why for camera in expected if (why := _outage(camera, _since_beat(snapshot, now)))}
    stalls = tuple(_stalls(snapshot, now))
    ok = not stalls and (not down or len(down) < len(expected))
    outages = (f"camera {name}: {why}" for name, why in down.items())
    invalid = (f"configuration: {problem}" for problem in snapshot.configuration.problems)
    return HealthReport(ok, (*stalls, *outages, *invalid), tuple(down), _details(snapshot, clock))


def ready(snapshot: DaemonSnapshot, clock: Clock) -> HealthReport:
    """Return whether the models are loaded and events can be kept, in Redis or in the event log."""
    problems = tuple(_unready(snapshot))
    return HealthReport(not problems, problems, (), _details(snapshot, clock))


def _since_beat(snapshot: DaemonSnapshot, now: float) -> float:
    return 0.0 if snapshot.beat is None else now - snapshot.beat


def _is_expected(camera: CameraStatus) -> bool:
    """Return whether a camera should give frames: the folder of uploads need not, nor what has ended."""
    return camera.name != UPLOADS and camera.state not in (CameraState.ENDED, CameraState.STOPPING)


def _outage(camera: CameraStatus, since_beat: float) -> str:
    """Return in words why a camera is down; an empty text if it is not."""
    stream, unseen = camera.stream, camera.unseen_s + since_beat
    if camera.state is CameraState.FAILED:
        return "failed, and is not tried again"
    if camera.state in (CameraState.UP, CameraState.STALLED) and not stream.live:
        return ""  # a file may wait for its turn
    seen = stream.source.frames_sampled or stream.source.last_sound_wall is not None
    limit = max(DOWN_S, DOWN_STALLS * stream.stall_timeout_s) * (1 if seen else 2)
    what = "frame" if stream.source.has_video else "sound"
    return f"no {what} for {unseen:.0f} s ({camera.state})" if unseen > limit else ""


def _stalls(snapshot: DaemonSnapshot, now: float) -> Iterator[str]:
    """Yield what makes no progress; ``now`` is monotonic, as a wall clock may step."""
    since_beat = _since_beat(snapshot, now)
    for camera in snapshot.cameras:
        idle = camera.idle_s + since_beat
        runs = camera.state in (CameraState.UP, CameraState.STALLED)
        if runs and idle > STALL_FACTOR * camera.stream.stall_timeout_s:
            yield f"camera {camera.name}: no progress for {idle:.0f} s"
    worked = snapshot.encoder.progress
    if worked is not None and now - worked > ENCODER_STUCK_S:
        yield f"encoder: no progress for {now - worked:.0f} s"
    detecting = snapshot.detector.in_flight_s if snapshot.detector else 0.0
    if detecting and detecting + since_beat > ENCODER_STUCK_S:
        yield f"detector: no progress for {detecting + since_beat:.0f} s"
    if since_beat > BEAT_STUCK_S:
        yield f"supervisor: no round for {since_beat:.0f} s"


def _unready(snapshot: DaemonSnapshot) -> Iterator[str]:
    if snapshot.encoder.model is None:
        yield "models are not loaded yet"
    publisher = snapshot.publisher
    if publisher is None:
        yield "publishing has not started yet"
    elif not publisher.connected and not publisher.spool_accepts:
        yield "neither Redis nor the event log accepts events"


def _details(snapshot: DaemonSnapshot, clock: Clock) -> dict[str, Any]:
    details: dict[str, Any] = {
        "cameras": {camera.name: _camera(camera, clock) for camera in snapshot.cameras},
        "encoder": _encoder(snapshot.encoder),
    }
    if snapshot.configuration.version:
        followed = snapshot.configuration
        details["configuration"] = {"version": followed.version, "needs_restart": list(followed.needs_restart)}
    if snapshot.speech:
        dropped = sum(camera.speech_dropped for camera in snapshot.cameras)
        details["speech"] = {"dropped": dropped, "failed": snapshot.speech.failed}
    if snapshot.publisher:
        sink = snapshot.publisher
        details["publisher"] = {
            "connected": sink.connected,
            "published": sink.published,
            "spool_bytes": sink.spool_bytes,
            "spool_accepts": sink.spool_accepts,
            "error": sink.last_error,
        }
    return details


def _camera(camera: CameraStatus, clock: Clock) -> dict[str, Any]:
    stream = camera.stream
    last = stream.source.last_frame_wall
    return {
        "state": camera.state.value,
        "last_frame_age_s": None if last is None else round(max(0.0, clock.wall() - last), 1),
        "position_s": round(stream.position_s, 1),
        "restarts": camera.restarts,
        "degraded": camera.degraded,
        "overloaded": camera.overloaded,
        "over_budget": {
            event: {"events_a_day": round(24 * per_hour, 1), "looks_like": stream.look_alikes.get(event)}
            for event, per_hour in stream.over_budget.items()
        },
        "error": stream.error or stream.source.last_error,
        "passed_over": list(stream.source.passed_over),
    }


def _encoder(encoder: EncoderSnapshot) -> dict[str, Any]:
    if encoder.model is None:
        return {"model": None}
    model = encoder.model
    note = PROFILES[model.profile].note if model.profile in PROFILES else ""
    return {"model": model.id, "profile": model.profile, "device": model.device} | ({"note": note} if note else {})
