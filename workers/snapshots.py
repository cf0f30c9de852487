"""The state of one stream, copied at one moment; metrics and health are made of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from alignment.errors import WatchwordError
from workers.telemetry import HistogramSnapshot
from workers.types import SourceSnapshot

T = TypeVar("T", int, HistogramSnapshot)
StreamState = Literal["starting", "running", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """One stream. Times are Unix seconds; ``stages`` and ``latency`` are histograms of seconds."""

    camera: str
    state: StreamState = "starting"
    live: bool = False
    position_s: float = 0.0  # how far the stream is decided, stream seconds
    duration_s: float | None = None  # of a file
    progress_wall: float = 0.0  # when it last got on; whoever looks for standstills asks only whether it changes
    stall_timeout_s: float = 15.0
    source: SourceSnapshot = field(default_factory=SourceSnapshot)
    stages: dict[str, HistogramSnapshot] = field(default_factory=dict)
    latency: HistogramSnapshot | None = None
    events: dict[str, int] = field(default_factory=dict)  # type -> revisions published
    suppressed: dict[str, int] = field(default_factory=dict)  # reason -> alerts
    scores: dict[str, float] = field(default_factory=dict)  # event -> probability of the last decided clip
    thresholds: dict[str, float] = field(default_factory=dict)  # event -> threshold on p of spans that begin now
    budgets: dict[str, float] = field(default_factory=dict)  # event -> false alerts an hour to put up with
    budget_alerts: dict[str, float] = field(default_factory=dict)  # event -> alerts an hour observed at the threshold
    budget_hours: dict[str, float] = field(default_factory=dict)  # event -> hours of this view that were observed
    queue_depth: int = 0
    error: str | None = None  # code: message, without credentials
    failure: WatchwordError | None = None  # what ended a failed stream

    def after(self, earlier: "StreamSnapshot") -> "StreamSnapshot":
        """Return it with what earlier attempts at the same camera counted added, so that no counter goes back."""
        now, before = self.source, earlier.source
        source = replace(
            now,
            frames_decoded=now.frames_decoded + before.frames_decoded,
            frames_sampled=now.frames_sampled + before.frames_sampled,
            dropped=_sum(now.dropped, before.dropped),
            reconnects=_sum(now.reconnects, before.reconnects),
        )
        return replace(
            self,
            source=source,
            stages=_sum(self.stages, earlier.stages),
            latency=_sum(*({"": s.latency} if s.latency else {} for s in (self, earlier))).get(""),
            events=_sum(self.events, earlier.events),
            suppressed=_sum(self.suppressed, earlier.suppressed),
        )


def _sum(now: Mapping[str, T], earlier: Mapping[str, T]) -> dict[str, T]:
    return {**earlier, **now, **{key: now[key] + earlier[key] for key in now.keys() & earlier.keys()}}
