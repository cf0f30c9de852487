"""What metrics and health see: a snapshot of the whole, taken by the supervising loop, read by the HTTP thread."""

from collections.abc import Mapping

from daemon.overload import OverloadWatch
from daemon.runtime import Runtime, ServicesSnapshot
from daemon.snapshots import DaemonSnapshot, EncoderSnapshot, UploadsSnapshot
from daemon.supervisor import Supervisor
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
        watched = supervisor.watched
        streams = supervisor.snapshots
        self._latest = DaemonSnapshot(
            streams=streams,
            encoder=self._encoder(services, model),
            aligner=services.aligner,
            speech=services.speech,
            publisher=services.sink,
            uploads=uploads,
            beat=self._clock.monotonic(),
            idle_s={w.camera.name: w.idle_s for w in watched},
            restarts={w.camera.name: w.restarts for w in watched},
            removed=dict(removed),
            degraded=frozenset(w.camera.name for w in watched if w.degraded),
            overloaded=self._overload.look(streams, services.speech),
        )

    def _encoder(self, services: ServicesSnapshot, model: ModelInfo) -> EncoderSnapshot:
        """Progress was made when what is in hand was begun; none while the encoder is being started again."""
        counters = services.encoder
        if counters is None:
            return EncoderSnapshot(model=model, progress=self._encoder_progress)
        self._encoder_progress = self._clock.monotonic() - counters.in_hand_s
        return EncoderSnapshot(model, counters.batches, counters.queue_depth, self._encoder_progress)
