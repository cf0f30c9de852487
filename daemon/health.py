"""Whether the daemon lives and whether it is ready, as functions of a snapshot.

Living means *progress*, not a process that answers: a running stream gets on, the encoder finishes what
waits, the supervisor makes its rounds. A stream that reconnects, is finished, or awaits its restart is not stuck.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from daemon.snapshots import DaemonSnapshot, EncoderSnapshot
from workers.clock import Clock
from workers.snapshots import StreamSnapshot

ENCODER_STUCK_S = 60.0
BEAT_STUCK_S = 30.0
# The source's watchdog acts after one stall_timeout, the supervisor after four: what lasts longer nobody mends.
STALL_FACTOR = 6.0

PROFILE_NOTES = {
    "lite": "lite knows about a thousand kinds of objects and what is said, not what people do. "
    "For actions: pip install 'watchword[clip]', and in the config `models: {profile: open_clip}`",
    "own": "own knows the words and pictures that it was trained on, and no others",
}


@dataclass(frozen=True, slots=True)
class HealthReport:
    """``problems`` says in words what is wrong when ``ok`` is False; ``details`` is plain JSON."""

    ok: bool
    problems: tuple[str, ...]
    details: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the body of an answer."""
        return {"status": "ok" if self.ok else "failing", "problems": list(self.problems), **self.details}


def health(snapshot: DaemonSnapshot, clock: Clock) -> HealthReport:
    """Return whether everything that should get on does."""
    return _report(snapshot, clock, tuple(_standstills(snapshot, clock.monotonic())))


def ready(snapshot: DaemonSnapshot, clock: Clock) -> HealthReport:
    """Return whether the models are loaded and events can be kept, in Redis or in the spool."""
    return _report(snapshot, clock, tuple(_unready(snapshot)))


def profile_note(profile: str) -> str | None:
    """Return what people should know about a model profile, with the one line that changes it."""
    return PROFILE_NOTES.get(profile)


def _standstills(snapshot: DaemonSnapshot, now: float) -> Iterator[str]:
    for stream in snapshot.streams:
        idle = _idle(snapshot, stream, now)
        if _should_move(stream) and idle > STALL_FACTOR * stream.stall_timeout_s:
            yield f"camera {stream.camera}: no progress for {idle:.0f} s"
    worked = snapshot.encoder.progress
    if worked is not None and now - worked > ENCODER_STUCK_S:
        yield f"encoder: no progress for {now - worked:.0f} s"
    if snapshot.beat is not None and now - snapshot.beat > BEAT_STUCK_S:
        yield f"supervisor: no round for {now - snapshot.beat:.0f} s"


def _idle(snapshot: DaemonSnapshot, stream: StreamSnapshot, now: float) -> float:
    """Return for how many seconds a stream has made no progress; ``now`` is monotonic, as a wall clock may step."""
    since_beat = 0.0 if snapshot.beat is None else now - snapshot.beat
    return snapshot.idle_s.get(stream.camera, 0.0) + since_beat


def _should_move(stream: StreamSnapshot) -> bool:
    """Return whether a standstill is a fault: a live stream that is not up waits for its camera."""
    return stream.state == "running" and (stream.source.up or not stream.live)


def _unready(snapshot: DaemonSnapshot) -> Iterator[str]:
    if snapshot.encoder.model is None:
        yield "models are not loaded yet"
    publisher = snapshot.publisher
    if publisher is None:
        yield "publishing has not started yet"
    elif not publisher.connected and not publisher.spool_accepts:
        yield "neither Redis nor the spool accepts events"


def _report(snapshot: DaemonSnapshot, clock: Clock, problems: tuple[str, ...]) -> HealthReport:
    details: dict[str, Any] = {
        "cameras": {stream.camera: _camera(snapshot, stream, clock) for stream in snapshot.streams},
        "encoder": _encoder(snapshot.encoder),
    }
    if snapshot.speech:
        speech = snapshot.speech
        details["speech"] = {"dropped": sum(speech.dropped.values()), "failed": speech.failed}
    if snapshot.publisher:
        sink = snapshot.publisher
        details["publisher"] = {
            "connected": sink.connected,
            "published": sink.published,
            "spool_bytes": sink.spool_bytes,
            "spool_accepts": snapshot.publisher.spool_accepts,
            "error": sink.last_error,
        }
    return HealthReport(not problems, problems, details)


def _camera(snapshot: DaemonSnapshot, stream: StreamSnapshot, clock: Clock) -> dict[str, Any]:
    last = stream.source.last_frame_wall
    return {
        "state": _state(stream, _idle(snapshot, stream, clock.monotonic())),
        "last_frame_age_s": None if last is None else round(max(0.0, clock.wall() - last), 1),
        "position_s": round(stream.position_s, 1),
        "restarts": snapshot.restarts.get(stream.camera, 0),
        "degraded": stream.camera in snapshot.degraded,
        "overloaded": stream.camera in snapshot.overloaded,
        "error": stream.error or stream.source.last_error,
    }


def _state(stream: StreamSnapshot, idle_s: float) -> str:
    if _should_move(stream):
        return "stalled" if idle_s > stream.stall_timeout_s else "running"
    return "reconnecting" if stream.state == "running" else stream.state


def _encoder(encoder: EncoderSnapshot) -> dict[str, Any]:
    if encoder.model is None:
        return {"model": None}
    model = encoder.model
    note = profile_note(model.profile)
    return {"model": model.id, "profile": model.profile, "device": model.device} | ({"note": note} if note else {})
