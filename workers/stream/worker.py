"""A stream in a thread of its own, under both runtimes."""

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from alignment.aligners.base import Aligner
from alignment.errors import WatchwordError
from workers.clock import Clock, SystemClock
from workers.services.aligner_options import build_aligner
from workers.services.clients import StreamServices
from workers.services.scheduler import request_context
from workers.services.settings import ServiceSettings
from workers.stream.latest_frame import LatestFrame
from workers.stream.pipeline import StreamPipeline
from workers.stream.snapshot import StreamSnapshot, StreamState
from workers.types import CameraSpec, EventSpec

log = structlog.get_logger()


class StreamWorker:
    """Runs the pipeline of one camera once; a new attempt is a new worker. ``tap`` wraps the aligner."""

    def __init__(
        self,
        camera: CameraSpec,
        events: tuple[EventSpec, ...],
        settings: ServiceSettings,
        services: StreamServices,
        clock: Clock | None = None,
        tap: Callable[[Aligner], Aligner] | None = None,
    ) -> None:
        ring = settings.clips.ring(settings.limits) if settings.evidence_folder else None
        self._camera = replace(camera, limits=settings.limits, ring=ring)
        self._events, self._settings = events, settings
        self._services, self._tap = services, tap
        self._clock = clock or SystemClock()
        self._state = StreamSnapshot(camera.name, stall_timeout_s=camera.stall_timeout_s)
        self._pipeline: StreamPipeline | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stream-{camera.name}", daemon=True)

    def start(self) -> None:
        """Start the thread; return at once."""
        self._thread.start()

    def stop(self) -> None:
        """Request an orderly end; return at once."""
        self._stop.set()
        pipeline = self._pipeline  # the thread may take it away
        if pipeline is not None:
            pipeline.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def snapshot(self) -> StreamSnapshot:
        """Return the counters of the stream."""
        pipeline = self._pipeline  # as above
        return pipeline.snapshot() if pipeline is not None else self._state

    def latest_frame(self) -> LatestFrame | None:
        """Return the latest sampled frame; None before the first, and after a failure."""
        pipeline = self._pipeline  # as above
        return pipeline.latest_frame() if pipeline is not None else None

    def _run(self) -> None:
        try:
            camera, events, services = self._camera, self._events, self._services
            description = services.encoder.describe()
            aligner = build_aligner(description.calibration, services.network, request_context(camera, events))
            aligner = self._tap(aligner) if self._tap else aligner
            source = services.build_source(camera, description.frame_spec, self._clock)
            self._pipeline = StreamPipeline(camera, events, source, aligner, services, self._settings, self._clock)
            if self._stop.is_set():
                self._pipeline.stop()
            self._pipeline.run()
        except WatchwordError as error:
            self._fail(error)
        except Exception as error:  # boundary: the supervisor must learn of any error, and other streams go on
            log.exception("stream failed unexpectedly", camera=self._camera.name)
            self._fail(
                WatchwordError(f"stream {self._camera.name} failed: {error!r}", "this is a bug: please report it")
            )

    def _fail(self, error: WatchwordError) -> None:
        self._state = replace(self.snapshot(), state=StreamState.FAILED, error=f"{error.code}: {error}", failure=error)
        self._pipeline = None
