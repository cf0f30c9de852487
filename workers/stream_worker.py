"""A stream in a thread of its own: start it, ask how it is, stop it. Both runtimes run exactly this."""

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from alignment.aligner import Aligner
from alignment.errors import WatchwordError
from workers.aligners import build_aligner
from workers.clock import Clock, SystemClock
from workers.pipeline import StreamPipeline, StreamTools
from workers.publish.base import Sink
from workers.services import AlignerClient, EncoderClient, SpeechClient
from workers.settings import ServiceSettings
from workers.snapshots import StreamSnapshot
from workers.sources.factory import SourceBuilder
from workers.turns import turn_of
from workers.types import CameraSpec, EventSpec

log = structlog.get_logger()


class StreamWorker:
    """Runs the pipeline of one camera once; a new attempt is a new worker. ``tap`` goes around its aligner."""

    def __init__(
        self,
        camera: CameraSpec,
        events: tuple[EventSpec, ...],
        settings: ServiceSettings,
        encoder: EncoderClient,
        speech: SpeechClient | None,
        network: AlignerClient | None,
        sink: Sink,
        build: SourceBuilder,
        clock: Clock | None = None,
        tap: Callable[[Aligner], Aligner] | None = None,
    ) -> None:
        self._build, self._tap = build, tap
        self._camera, self._events, self._settings = replace(camera, limits=settings.limits), events, settings
        self._encoder, self._speech, self._network, self._sink = encoder, speech, network, sink
        self._clock = clock or SystemClock()
        self._state = StreamSnapshot(camera.name, stall_timeout_s=camera.stall_timeout_s)
        self._pipeline: StreamPipeline | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stream-{camera.name}", daemon=True)

    def start(self) -> None:
        """Begin; return at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for an orderly end; return at once."""
        self._stop.set()
        pipeline = self._pipeline  # the thread may take it away
        if pipeline is not None:
            pipeline.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def snapshot(self) -> StreamSnapshot:
        """Return how the stream is."""
        pipeline = self._pipeline  # as above
        return pipeline.snapshot() if pipeline is not None else self._state

    def _run(self) -> None:
        try:
            description = self._encoder.describe()
            aligner = build_aligner(description.calibration, self._network, turn_of(self._camera, self._events))
            aligner = self._tap(aligner) if self._tap else aligner
            source = self._build(self._camera, description.frame_spec, self._clock)
            tools = StreamTools(
                self._encoder,
                self._speech,
                aligner,
                self._sink,
                self._settings.config_hash,
                self._settings.evidence_folder,
                self._settings.budget_folder,
                self._settings.erasures,
            )
            self._pipeline = StreamPipeline(self._camera, self._events, source, tools, self._clock)
            if self._stop.is_set():
                self._pipeline.stop()
            self._pipeline.run()
        except WatchwordError as error:
            self._fail(error)
        except Exception as error:  # whatever it was, the supervisor must learn of it and the other streams go on
            log.exception("stream failed unexpectedly", camera=self._camera.name)
            self._fail(
                WatchwordError(f"stream {self._camera.name} failed: {error!r}", "this is a bug: please report it")
            )

    def _fail(self, error: WatchwordError) -> None:
        self._state = replace(self.snapshot(), state="failed", error=f"{error.code}: {error}", failure=error)
        self._pipeline = None
