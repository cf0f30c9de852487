"""The latest snapshot of the daemon: taken by the supervising loop, read by the HTTP server's thread."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from daemon.observability.snapshot import (
    AlertsSnapshot,
    CameraStatus,
    CaptionsSnapshot,
    ConfigurationStatus,
    DaemonSnapshot,
    EncoderSnapshot,
    SpeechSnapshot,
    UploadsSnapshot,
    VerificationSnapshot,
)
from daemon.runtime.base import Runtime, ServicesSnapshot
from daemon.service.overload import OverloadWatch
from daemon.service.supervisor import Supervisor
from daemon.vlm.types import VlmSnapshot
from workers.clock import Clock, SystemClock
from workers.types import ModelInfo

RATE_S = 10.0  # over which frames a second are measured


class Observer:
    """Holds the latest ``DaemonSnapshot``."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._latest = DaemonSnapshot()
        self._overload = OverloadWatch(self._clock)
        self._encoder_progress = self._clock.monotonic()
        self._counts: dict[str, deque[tuple[float, int]]] = {}  # camera -> (monotonic time, frames sampled so far)

    def snapshot(self) -> DaemonSnapshot:
        """Return the latest snapshot. From any thread."""
        return self._latest

    def update(
        self,
        runtime: Runtime,
        supervisor: Supervisor,
        uploads: UploadsSnapshot | None,
        model: ModelInfo,
        removed: Mapping[tuple[str, str], int],
        alerts: AlertsSnapshot | None = None,
        configuration: ConfigurationStatus | None = None,
        rules: Mapping[tuple[str, str], int] = MappingProxyType({}),
        verification: VerificationSnapshot | None = None,
        vlm: tuple[VlmSnapshot, ...] = (),
        captions: CaptionsSnapshot | None = None,
    ) -> None:
        """Take a new snapshot; ``removed``: pieces of data by kind and reason."""
        services = runtime.snapshot()
        speech = services.speech
        self._latest = DaemonSnapshot(
            cameras=self._cameras(supervisor, services),
            encoder=self._encoder(services, model),
            detector=services.detector,
            aligner=services.aligner,
            speech=SpeechSnapshot(speech.depth, speech.failed, speech.realtime_factor) if speech else None,
            publisher=services.sink,
            index=services.index,
            uploads=uploads,
            beat=self._clock.monotonic(),
            removed=dict(removed),
            alerts=alerts,
            rules=dict(rules),
            verification=verification,
            vlm=vlm,
            captions=captions,
            configuration=configuration or ConfigurationStatus(),
        )

    def _cameras(self, supervisor: Supervisor, services: ServicesSnapshot) -> tuple[CameraStatus, ...]:
        """Return the supervisor's statuses, completed with what the services dropped of each camera."""
        dropped = services.speech.dropped if services.speech else {}
        cameras = [
            replace(c, speech_dropped=dropped.get(c.name, 0), sampled_fps=self._sampled_fps(c))
            for c in supervisor.statuses
        ]
        self._counts = {c.name: self._counts[c.name] for c in cameras}
        overloaded = self._overload.look(cameras)
        return tuple(replace(c, overloaded=c.name in overloaded) for c in cameras)

    def _sampled_fps(self, camera: CameraStatus) -> float | None:
        """Return the frames a second of the last ``RATE_S``; None before there are two counts."""
        now, counts = self._clock.monotonic(), self._counts.setdefault(camera.name, deque())
        counts.append((now, camera.stream.source.frames_sampled))
        while len(counts) > 2 and now - counts[1][0] >= RATE_S:
            counts.popleft()
        (then, before), (_, count) = counts[0], counts[-1]
        return round(max(0, count - before) / (now - then), 2) if now > then else None

    def _encoder(self, services: ServicesSnapshot, model: ModelInfo) -> EncoderSnapshot:
        """Return the encoder's counters. Its last progress is when the work in hand began; none while it restarts."""
        counters = services.encoder
        if counters is None:
            return EncoderSnapshot(model=model, progress=self._encoder_progress)
        self._encoder_progress = self._clock.monotonic() - counters.in_flight_s
        return EncoderSnapshot(model, counters.batches, counters.queue_depth, self._encoder_progress)
