"""Snapshot of one stream at one moment; health checks and metrics are functions of such snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import TypeVar

from alignment.errors import WatchwordError
from workers.decisions.coverage import Watched
from workers.decisions.results import FileResults
from workers.telemetry import HistogramSnapshot
from workers.types import SourceSnapshot

T = TypeVar("T", int, HistogramSnapshot)


@unique
class StreamState(StrEnum):
    """What one attempt to run a stream does; the camera's state over all attempts is a ``CameraState``."""

    STARTING = "starting"  # waits for its models, opens its source
    RUNNING = "running"
    FINISHED = "finished"  # the source ended, or the stream was stopped
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    """One attempt to run a stream. Times are Unix seconds; ``stages`` and ``latency`` are histograms of seconds."""

    camera: str
    state: StreamState = StreamState.STARTING
    live: bool = False
    position_s: float = 0.0  # stream seconds up to which events are decided
    duration_s: float | None = None  # of a file
    width: int = 0  # pixels of the source's frames; 0: not known
    height: int = 0
    progress_wall: float = 0.0  # of the last progress; a reader that looks for stalls compares it with itself only
    stall_timeout_s: float = 15.0
    source: SourceSnapshot = field(default_factory=SourceSnapshot)
    stages: dict[str, HistogramSnapshot] = field(default_factory=dict)
    latency: HistogramSnapshot | None = None
    events: dict[str, int] = field(default_factory=dict)  # type -> revisions published
    suppressed: dict[str, int] = field(default_factory=dict)  # reason -> events not published
    clips: dict[str, int] = field(default_factory=dict)  # saved, failed -> clips
    index_lost: int = 0  # items that could not be sent to the index
    scores: dict[str, float] = field(default_factory=dict)  # event -> probability of the last decided clip
    thresholds: dict[str, float] = field(default_factory=dict)  # event -> probability at which a span begins now
    budgets: dict[str, float] = field(default_factory=dict)  # event -> tolerated false alerts an hour
    budget_alerts: dict[str, float] = field(default_factory=dict)  # event -> alerts an hour observed at the threshold
    budget_hours: dict[str, float] = field(default_factory=dict)  # event -> hours of this view that were observed
    alert_thresholds: dict[str, float] = field(default_factory=dict)  # event -> probability that an alert needs now
    over_budget: dict[str, float] = field(default_factory=dict)  # event over its budget -> recent events an hour
    watched: Mapping[str, Watched] = field(default_factory=dict)  # event -> since and until when it is known
    look_alikes: dict[str, str] = field(default_factory=dict)  # event -> what its events over budget look like
    config_hash: str = ""  # of the configuration whose rules are in force
    warnings: tuple[str, ...] = ()  # descriptions that will not be found as they are meant
    queue_depth: int = 0
    error: str | None = None  # code: message, without credentials
    failure: WatchwordError | None = None  # what ended a failed stream
    results: FileResults | None = None  # of a file that has ended, if its ``CameraSpec`` asks for them

    def after(self, earlier: "StreamSnapshot") -> "StreamSnapshot":
        """Return the snapshot plus the counts of earlier attempts at the same camera, so that no counter decreases."""
        now, before = self.source, earlier.source
        source = replace(
            now,
            frames_decoded=now.frames_decoded + before.frames_decoded,
            frames_sampled=now.frames_sampled + before.frames_sampled,
            dropped=_sum(now.dropped, before.dropped),
            failures=_sum(now.failures, before.failures),
            reconnects=_sum(now.reconnects, before.reconnects),
        )
        return replace(
            self,
            source=source,
            stages=_sum(self.stages, earlier.stages),
            latency=_sum(*({"": s.latency} if s.latency else {} for s in (self, earlier))).get(""),
            events=_sum(self.events, earlier.events),
            suppressed=_sum(self.suppressed, earlier.suppressed),
            clips=_sum(self.clips, earlier.clips),
            index_lost=self.index_lost + earlier.index_lost,
        )


def _sum(now: Mapping[str, T], earlier: Mapping[str, T]) -> dict[str, T]:
    return {**earlier, **now, **{key: now[key] + earlier[key] for key in now.keys() & earlier.keys()}}
