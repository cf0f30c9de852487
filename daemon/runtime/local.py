"""The runtime of one process, in threads: for tests, for tagging files, and for machines too small for Ray.

Only media are decoded elsewhere, in a process for each source (``workers/sources/isolation/source.py``).
"""

from dataclasses import replace

import structlog

from daemon.logs.setup import LOGGING, worker_environment
from daemon.runtime.base import STOP_S, ServicesSnapshot, SharedServices, StreamHandle
from workers.audio.transcription_queue import TranscriptionQueue
from workers.audio.whisper import SpeechRecognizer
from workers.decisions.snapshot import StreamSnapshot
from workers.decisions.stream_rules import RulesOrder
from workers.errors import ModelUnavailable
from workers.models.profiles import PROFILES
from workers.services.aligner import AlignerService
from workers.services.clients import EncoderDescription
from workers.services.detector import DetectorService
from workers.services.encoder import EncoderService
from workers.services.proxies import (
    AlignerProxy,
    DetectorProxy,
    EncoderProxy,
    LocalTransport,
    SinkProxy,
    SpeechProxy,
    StateProxy,
)
from workers.services.publisher import open_publisher
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.isolation.source import DecoderPool
from workers.stream.latest_frame import LatestFrame
from workers.stream.worker import StreamWorker
from workers.types import CameraSpec, EventSpec

log = structlog.get_logger()


class LocalStream:
    """``StreamHandle`` over a thread, which can be stopped but not be killed."""

    def __init__(self, worker: StreamWorker) -> None:
        self._worker = worker
        worker.start()

    def snapshot(self) -> StreamSnapshot:
        """Return the counters of the stream."""
        return self._worker.snapshot()

    def latest_frame(self, timeout_s: float) -> LatestFrame | None:
        """Return the latest sampled frame."""
        return self._worker.latest_frame()

    def change_rules(self, order: RulesOrder) -> None:
        """Decide by other rules from the next hop on."""
        self._worker.change_rules(order)

    def stop(self) -> None:
        """Request an orderly end."""
        self._worker.stop()

    def kill(self) -> None:
        """Request the end again: a thread cannot be killed, and ends with the read timeout of its source."""
        self._worker.stop()


class LocalRuntime(SharedServices):
    """The ``Runtime`` of one process. Without ``settings.redis`` events wait to be taken."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings, self.config_hash = settings, settings.config_hash
        self._transcriber: TranscriptionQueue | None = None
        self._network: AlignerService | None = None
        self._detectors: DetectorService | None = None

    def start(self) -> EncoderDescription:
        """Load models and open the event log."""
        settings = self._settings
        self._publisher = open_publisher(settings.redis, settings.event_log_folder)
        self._decoders = self._open_decoders()
        self._models = EncoderService(settings.encoder, settings.sample)
        description = self._models.describe()
        if settings.aligner.served:
            self._network = AlignerService(settings.aligner, description.calibration, self._models.vocabulary)
        if PROFILES[settings.encoder.profile].detects:
            self._detectors = DetectorService()
        if settings.speech is not None:
            try:
                self._transcriber = TranscriptionQueue(SpeechRecognizer(settings.speech))
            except ModelUnavailable as error:
                log.warning("speech is not transcribed", code=error.code, error=str(error))
        self._kept = StateService.of(settings)
        self._share(
            EncoderProxy(LocalTransport(self._models)),
            SinkProxy(LocalTransport(self._publisher)),
            StateProxy(LocalTransport(self._kept)),
            self._decoders.build,
            SpeechProxy(LocalTransport(self._transcriber)) if self._transcriber else None,
            AlignerProxy(LocalTransport(self._network)) if self._network else None,
            DetectorProxy(LocalTransport(self._detectors)) if self._detectors else None,
        )
        return description

    def _open_decoders(self) -> DecoderPool:
        """Return the decoder processes, which log like this one."""
        return DecoderPool(worker_environment(), LOGGING)

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Start a stream in a thread."""
        settings = replace(self._settings, config_hash=self.config_hash)
        return LocalStream(StreamWorker(camera, events, settings, self._services_of(camera, events)))

    def snapshot(self) -> ServicesSnapshot:
        """Return the counters of the services."""
        detector = self._detectors.snapshot() if self._detectors else None
        aligner = self._network.snapshot() if self._network else None
        speech = self._transcriber.snapshot() if self._transcriber else None
        kept, sink = self._kept.snapshot(), self._publisher.snapshot()
        return ServicesSnapshot(self._models.snapshot(), detector, aligner, speech, sink, kept)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the services; a model at work cannot be interrupted, and is left behind."""
        self._decoders.close()
        self._publisher.close()
        self._kept.close(timeout_s / 2)
        if self._transcriber is not None:
            self._transcriber.close(drain=False, timeout_s=timeout_s / 2)
        if self._network is not None:
            self._network.close()
        if self._detectors is not None:
            self._detectors.close(timeout_s / 2)
        self._models.close(timeout_s / 2)
