"""The Ray actors: thin shells around the services and around one stream.

``call`` runs a method of a service by its name; ``RayTransport`` (``clients.py``) is the other end. It is a coroutine
where services return Futures, so an actor that works in threads of its own always responds.

Each actor imports what it runs when it is made: every actor would load the libraries of all others, and a start waits
for the slowest.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.actors.service import RetryingService
from workers.errors import ServiceDied

if TYPE_CHECKING:
    from workers.audio.whisper import SpeechOptions
    from workers.decisions.snapshot import StreamSnapshot
    from workers.decisions.stream_rules import RulesOrder
    from workers.models.options import EncoderOptions
    from workers.services.aligner import AlignerService
    from workers.services.aligner_options import AlignerOptions
    from workers.services.clients import StreamServices
    from workers.services.detector import DetectorService
    from workers.services.settings import ServiceSettings
    from workers.stream.latest_frame import LatestFrame
    from workers.stream.worker import StreamWorker
    from workers.types import CameraSpec, EventSpec

JOIN_S = 5.0
# The longest time for one piece of work of a model. Speech: half a minute of audio, and large models.
ENCODER_STALLED_S, SPEECH_STALLED_S = 90.0, 240.0


class ServiceActor:
    """Services by name whose methods return at once; one that returns a Future is awaited."""

    def __init__(self, **services: RetryingService[Any]) -> None:
        self._services = services

    async def call(self, service: str, method: str, *args: Any) -> Any:
        """Return the result of a service's method."""
        result = getattr(self._services[service](), method)(*map(_own, args))
        return await asyncio.wrap_future(result) if isinstance(result, Future) else result

    async def snapshot(self) -> dict[str, Any]:
        """Return the counters of each service."""
        return {name: service.snapshot() for name, service in self._services.items()}


class EncoderActor(ServiceActor):
    """Encoder of one device, for all streams, and what they share beside it: their aligner's network, the detector."""

    def __init__(self, options: EncoderOptions, aligner: AlignerOptions, sample: Path | None = None) -> None:
        from workers.services.encoder import EncoderService

        def network() -> AlignerService:
            from workers.services.aligner import AlignerService

            return AlignerService(aligner, encoder().describe().calibration, encoder().vocabulary)

        def detectors() -> DetectorService:
            from workers.services.detector import DetectorService

            return DetectorService()

        # Ray sets OMP_NUM_THREADS to an actor's CPUs: the encoder says itself how many it wants
        threaded = replace(options, threads=options.threads or os.cpu_count())
        encoder = RetryingService(lambda: EncoderService(threaded, sample), stalled_s=ENCODER_STALLED_S)
        lazy = RetryingService(network, stalled_s=ENCODER_STALLED_S, lazy=True)  # the first stream loads these
        detector = RetryingService(detectors, stalled_s=ENCODER_STALLED_S, lazy=True)
        super().__init__(encoder=encoder, aligner=lazy, detector=detector)


class SpeechActor(ServiceActor):
    """The transcriber, for all streams. A file's chunk waits for room in a thread, a camera's chunk never waits."""

    def __init__(self, options: SpeechOptions) -> None:
        from workers.audio.transcription_queue import TranscriptionQueue
        from workers.audio.whisper import SpeechRecognizer

        queue = RetryingService(lambda: TranscriptionQueue(SpeechRecognizer(options)), stalled_s=SPEECH_STALLED_S)
        super().__init__(speech=queue)

    async def call(self, service: str, method: str, *args: Any) -> Any:
        """Return the result of a method of the transcriber."""
        if method == "submit" and args[1]:
            return await asyncio.wrap_future(await asyncio.to_thread(self._services[service]().submit, *args))
        return await super().call(service, method, *args)


class StateActor:
    """All that uses the state folder: the publisher with its event log, and what streams keep.

    It runs on the machine of the daemon. Calls run in threads, because they wait for a disk.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        from workers.services.publisher import open_publisher
        from workers.services.state import StateService

        self._publisher = RetryingService(lambda: open_publisher(settings.redis, settings.event_log_folder))
        self._state = StateService.of(settings)

    def call(self, service: str, method: str, *args: Any) -> Any:
        """Return the result of a method of the state, or else of the publisher."""
        target = self._state if service == "state" else self._publisher()
        result = getattr(target, method)(*args)
        return result.result() if isinstance(result, Future) else result

    def snapshot(self) -> dict[str, Any]:
        """Return the counters of the publisher and of the index."""
        return {"publisher": self._publisher.snapshot(), "index": self._state.snapshot()}


class StreamActor:
    """One camera, or one upload after the other. Ray does not restart it: the supervisor starts another actor."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._worker: StreamWorker | None = None

    def watch(
        self, camera: CameraSpec, events: Sequence[EventSpec], services: StreamServices, config_hash: str
    ) -> None:
        """Start to watch a camera, or the next upload."""
        if self._worker is not None and not self._worker.join(JOIN_S):
            os._exit(1)  # two streams would share the memory of one: the supervisor starts another actor
        from workers.stream.worker import StreamWorker

        settings = replace(self._settings, config_hash=config_hash)
        self._worker = StreamWorker(camera, tuple(events), settings, services)
        self._worker.start()

    def change_rules(self, order: RulesOrder) -> None:
        """Look for other events from now on."""
        self._started().change_rules(order)

    def stop(self) -> None:
        """Make the stream end."""
        self._started().stop()

    def snapshot(self) -> StreamSnapshot:
        """Return the state of the stream."""
        return self._started().snapshot()

    def latest_frame(self) -> LatestFrame | None:
        """Return the frame that was seen last; None before the first one."""
        return self._started().latest_frame()

    def _started(self) -> StreamWorker:
        if self._worker is None:  # `watch`, which nobody waits for, has failed
            raise ServiceDied("a stream could not be started", "it is restarted; see the log for why")
        return self._worker


def _own(argument: Any) -> Any:
    """Return an array as a copy: Ray's arrays are read-only and pin the object store."""
    return np.array(argument) if isinstance(argument, np.ndarray) else argument
