"""One camera as the supervisor keeps it: its specification, its running attempt, and its history over all attempts."""

from collections import deque
from dataclasses import dataclass, field

from daemon.observability.camera_state import CameraState
from daemon.observability.snapshot import CameraStatus
from daemon.runtime.base import StreamHandle
from workers.backoff import Backoff
from workers.clock import PollTimer
from workers.decisions.snapshot import StreamSnapshot
from workers.types import CameraSpec, EventSpec

RESTARTS = 5


@dataclass(slots=True)
class SupervisedCamera:
    """One camera: its specification, its state, its running attempt (``handle``), and its history."""

    spec: CameraSpec
    events: tuple[EventSpec, ...]
    backoff: Backoff
    rounds: PollTimer
    outage: PollTimer
    state: CameraState = CameraState.STARTING
    handle: StreamHandle | None = None
    snapshot: StreamSnapshot = field(default_factory=lambda: StreamSnapshot(""))  # counters: of all attempts
    before: StreamSnapshot = field(default_factory=lambda: StreamSnapshot(""))  # of those before the running one
    retry_at: float = 0.0  # monotonic; of a camera without a handle whose state is not final
    restarts: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))
    degraded_at: float | None = None  # monotonic
    ordered: str = ""  # hash of the configuration whose rules its running stream was ordered to take up
    ordered_at: float = 0.0  # stream second up to which it had decided by then
    leave_by: float | None = None  # monotonic deadline of a camera that is changed or removed
    successor: tuple[CameraSpec, tuple[EventSpec, ...]] | None = None  # of a camera that is changed
    stop_by: float | None = None  # monotonic deadline of a stuck stream that was asked to stop
    attempts: int | None = None  # how often its source may fail, its process die or get stuck; None: without limit
    deaths: int = 0
    retired: bool = False  # no longer wanted: asked to end, and not restarted
    warned: frozenset[str] = frozenset()  # of what will not be found: said once, not with every attempt
    idle_s: float = 0.0  # without progress, by the supervisor's own clock: those of other processes may be stepped
    unseen_s: float = 0.0  # without a frame, or sound where there is no video
    seen: float | None = None  # frames, or the time of the last sound, so far

    @property
    def name(self) -> str:
        """Return the camera's name."""
        return self.spec.name

    @property
    def degraded(self) -> bool:
        """Return whether the restart budget is used up."""
        return self.degraded_at is not None

    @property
    def done(self) -> bool:
        """Return whether the camera has ended, or failed for good."""
        return self.state.is_final

    @property
    def tried(self) -> bool:
        """Return whether its source was opened, or failed to open."""
        return self.state is not CameraState.STARTING or self.snapshot.error is not None

    @property
    def status(self) -> CameraStatus:
        """Return what health checks and metrics show of the camera."""
        return CameraStatus(self.snapshot, self.state, self.idle_s, self.unseen_s, self.restarts, self.degraded)

    def notice(self) -> None:
        """Measure how long the camera has given nothing, also between attempts."""
        passed, source = self.outage.passed(), self.snapshot.source
        seen = source.frames_sampled if source.has_video else source.last_sound_wall
        self.unseen_s = self.unseen_s + passed if seen in (None, 0, self.seen) else 0.0
        self.seen = seen
