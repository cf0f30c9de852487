"""A stream in a thread of its own, under both runtimes."""

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from alignment.aligners.base import Aligner
from alignment.errors import WatchwordError
from workers.backoff import Backoff
from workers.clock import Clock, SystemClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.decisions.stream_rules import RulesOrder
from workers.services.aligner_options import build_aligner
from workers.services.clients import StreamServices
from workers.services.scheduler import request_context
from workers.services.settings import ServiceSettings
from workers.stream.latest_frame import LatestFrame
from workers.stream.pipeline import StreamPipeline
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
        self._settings, self._tap = settings, tap
        self._order = self._wanted = RulesOrder(events, services, settings.config_hash)
        self._changing = threading.Lock()
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

    def change_rules(self, order: RulesOrder) -> None:
        """Decide by other rules from the next hop on, as soon as their descriptions are embedded; return at once."""
        self._wanted = order
        threading.Thread(target=self._change, args=(order,), name=f"rules-{self._camera.name}", daemon=True).start()

    def latest_frame(self) -> LatestFrame | None:
        """Return the latest sampled frame; None before the first, and after a failure."""
        pipeline = self._pipeline  # as above
        return pipeline.latest_frame() if pipeline is not None else None

    def _run(self) -> None:
        try:
            with self._changing:
                self._pipeline = pipeline = self._build()
            if self._stop.is_set():
                pipeline.stop()
            pipeline.run()
        except WatchwordError as error:
            self._fail(error)
        except Exception as error:  # boundary: the supervisor must learn of any error, and other streams go on
            log.exception("stream failed unexpectedly", camera=self._camera.name)
            self._fail(
                WatchwordError(f"stream {self._camera.name} failed: {error!r}", "this is a bug: please report it")
            )

    def _build(self) -> StreamPipeline:
        camera, order = self._camera, self._order
        settings = replace(self._settings, config_hash=order.config_hash)
        description = order.services.encoder.describe()
        source = order.services.build_source(camera, description.frame_spec, self._clock)
        aligner = self._aligner(order)
        return StreamPipeline(camera, order.events, source, aligner, order.services, settings, self._clock)

    def _aligner(self, order: RulesOrder) -> Aligner:
        """Return an aligner whose requests are scheduled by the priorities of these events."""
        calibration, services = order.services.encoder.describe().calibration, order.services
        aligner = build_aligner(calibration, services.network, request_context(self._camera, order.events))
        return self._tap(aligner) if self._tap else aligner

    def _change(self, order: RulesOrder) -> None:
        """Exchange the rules, or log why they are not: the supervisor then starts the stream again with them."""
        backoff = Backoff(self._clock)
        while order is self._wanted and not self._stop.is_set():  # the last of several changes is what counts
            try:
                with self._changing:
                    self._exchange(order)
                return
            except WatchwordError as error:
                log.warning("rules cannot be changed yet", camera=self._camera.name, code=error.code, error=str(error))
                if not error.retryable:
                    return
            self._stop.wait(backoff.failed())

    def _exchange(self, order: RulesOrder) -> None:
        if order is not self._wanted:
            return
        pipeline, camera = self._pipeline, self._camera
        if pipeline is not None:
            before, now = (request_context(camera, x.events) for x in (self._order, order))
            pipeline.change_rules(order, self._aligner(order) if before != now else None)
        self._order = order

    def _fail(self, error: WatchwordError) -> None:
        self._state = replace(self.snapshot(), state=StreamState.FAILED, error=f"{error.code}: {error}", failure=error)
        self._pipeline = None
