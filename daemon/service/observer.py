"""The latest snapshot of the daemon: taken by the supervising loop, read by the HTTP server's thread."""

from collections.abc import Mapping
from dataclasses import replace

from daemon.observability.snapshot import (
    CameraStatus,
    DaemonSnapshot,
    EncoderSnapshot,
    SpeechSnapshot,
    UploadsSnapshot,
)
from daemon.runtime.base import Runtime, ServicesSnapshot
from daemon.service.overload import OverloadWatch
from daemon.service.supervisor import Supervisor
from workers.clock import Clock, SystemClock
from workers.types import ModelInfo


class Observer:
    """Holds the latest ``DaemonSnapshot``."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._latest = DaemonSnapshot()
        self._overload = OverloadWatch(self._clock)
        self._encoder_progress = self._clock.monotonic()

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
            uploads=uploads,
            beat=self._clock.monotonic(),
            removed=dict(removed),
        )

    def _cameras(self, supervisor: Supervisor, services: ServicesSnapshot) -> tuple[CameraStatus, ...]:
        """Return the supervisor's statuses, completed with what the services dropped of each camera."""
        dropped = services.speech.dropped if services.speech else {}
        cameras = [replace(c, speech_dropped=dropped.get(c.name, 0)) for c in supervisor.statuses]
        overloaded = self._overload.look(cameras)
        return tuple(replace(c, overloaded=c.name in overloaded) for c in cameras)

    def _encoder(self, services: ServicesSnapshot, model: ModelInfo) -> EncoderSnapshot:
        """Return the encoder's counters. Its last progress is when the work in hand began; none while it restarts."""
        counters = services.encoder
        if counters is None:
            return EncoderSnapshot(model=model, progress=self._encoder_progress)
        self._encoder_progress = self._clock.monotonic() - counters.in_flight_s
        return EncoderSnapshot(model, counters.batches, counters.queue_depth, self._encoder_progress)
