"""Everything in threads of this process: for tests, for tagging files, and for machines too small for Ray.

Only media are decoded elsewhere, in a process for each source (``workers/sources/isolated.py``).
"""

import structlog

from daemon.logs import LOGGING, worker_environment
from daemon.runtime import STOP_S, ServicesSnapshot, StreamHandle
from workers.aligner_service import AlignerService
from workers.encoder_service import EncoderService, StreamEncoder
from workers.errors import ModelUnavailable
from workers.publisher_service import open_publisher
from workers.services import EncoderDescription
from workers.settings import ServiceSettings
from workers.snapshots import StreamSnapshot
from workers.sources.isolated import DecoderPool
from workers.speech import SpeechRecognizer
from workers.speech_queue import SpeechQueue
from workers.stream_worker import StreamWorker
from workers.turns import turn_of
from workers.types import CameraSpec, Event, EventSpec

log = structlog.get_logger()


class LocalStream:
    """``StreamHandle`` over a thread, which can be asked to stop but not be killed."""

    def __init__(self, worker: StreamWorker) -> None:
        self._worker = worker
        worker.start()

    def snapshot(self) -> StreamSnapshot:
        """Return how it is."""
        return self._worker.snapshot()

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._worker.stop()

    def kill(self) -> None:
        """Ask again: a thread cannot be killed, and ends with its source's read timeout."""
        self._worker.stop()


class LocalRuntime:
    """The ``Runtime`` of one process. Without ``settings.redis`` events wait to be taken."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._speech: SpeechQueue | None = None
        self._network: AlignerService | None = None

    def start(self) -> EncoderDescription:
        """Load models and open the spool."""
        settings = self._settings
        self._sink = open_publisher(settings.redis, settings.spool_folder)
        self._decoders = DecoderPool(worker_environment(), LOGGING)
        self._encoder = EncoderService(settings.encoder)
        if settings.aligner.served:
            calibration = self._encoder.describe().calibration
            self._network = AlignerService(settings.aligner, calibration, self._encoder.vocabulary)
        if settings.speech is not None:
            try:
                self._speech = SpeechQueue(SpeechRecognizer(settings.speech))
            except ModelUnavailable as error:
                log.warning("speech is not transcribed", code=error.code, error=str(error))
        return self._encoder.describe()

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Begin to watch."""
        encoder = StreamEncoder(self._encoder, turn_of(camera, events))
        services = (encoder, self._speech, self._network, self._sink, self._decoders.build)
        return LocalStream(StreamWorker(camera, events, self._settings, *services))

    def snapshot(self) -> ServicesSnapshot:
        """Return how the services are."""
        aligner = self._network.snapshot() if self._network else None
        speech = self._speech.snapshot() if self._speech else None
        return ServicesSnapshot(self._encoder.snapshot(), aligner, speech, self._sink.snapshot())

    def take_events(self) -> tuple[Event, ...]:
        """Return the last revision of the latest events, and forget them."""
        return self._sink.take()

    def end_open(self) -> None:
        """End what the last run left open."""
        self._sink.end_open()

    def erase(self, ids: frozenset[str], before_s: float = 0.0) -> int:
        """Forget events that wait or are open."""
        return self._sink.erase(ids, before_s)

    def flush(self, timeout_s: float) -> bool:
        """Wait until every event is published."""
        return self._sink.flush(timeout_s)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the services; a model at work cannot be interrupted, and is left behind."""
        self._decoders.close()
        self._sink.close()
        if self._speech is not None:
            self._speech.close(drain=False, timeout_s=timeout_s / 2)
        if self._network is not None:
            self._network.close()
        self._encoder.close(timeout_s / 2)
