"""The models, loaded once for all calls of a process that want the same ones."""

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from daemon.logs.setup import LOGGING
from daemon.offline.runner import OfflineSettings, service_settings
from daemon.runtime.base import StreamHandle
from daemon.runtime.local import LocalRuntime, LocalStream
from watchword.logs import ENVIRONMENT, DecoderLog, route_logs
from workers.publish.base import StreamSink
from workers.services.clients import EncoderDescription
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.base import SourceBuilder
from workers.sources.isolation.source import DecoderPool
from workers.stream.worker import StreamWorker
from workers.types import CameraSpec, ClipOptions, EventSpec


class Models(LocalRuntime):
    """The services of this process. Every stream brings what it does not share: its sink and its evidence."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings)
        self._log = DecoderLog()
        try:
            self.description: EncoderDescription = self.start()
        except BaseException:
            self._log.close()
            raise

    def _open_decoders(self) -> DecoderPool:
        return DecoderPool(ENVIRONMENT, LOGGING, self._log.descriptor)

    def open_stream(
        self, camera: CameraSpec, events: tuple[EventSpec, ...], use: "Use", build_source: SourceBuilder | None = None
    ) -> StreamHandle:
        """Start a stream whose events go to the sink of ``use``; ``build_source``: instead of the usual sources."""
        services = self._services_of(camera, events)
        build = build_source or services.build_source
        services = replace(services, sink=use.sink, state=StateService(use.evidence), build_source=build)
        settings = replace(self._settings, pictures=use.evidence, clips=ClipOptions(use.clips))
        return LocalStream(StreamWorker(camera, events, settings, services))

    def close(self) -> None:
        """End the services."""
        self.stop()
        self._log.close()


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the models: starts streams whose events go to ``sink``, and pictures and clips to ``evidence``.

    Without ``evidence`` nothing is written, nor encoded video kept in memory.
    """

    models: Models
    sink: StreamSink
    evidence: Path | None = None
    makes_clips: bool = True
    build_source: SourceBuilder | None = None

    @property
    def clips(self) -> bool:
        """Return whether events get clips."""
        return self.makes_clips and self.evidence is not None

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Start a stream."""
        return self.models.open_stream(camera, events, self, self.build_source)


@dataclass(slots=True)
class _Loaded:
    models: Models
    users: int = 0


@dataclass(slots=True)
class _Shelf:
    """The loaded models by their settings, and how many calls use them."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    loaded: dict[ServiceSettings, _Loaded] = field(default_factory=dict)

    def free_unused(self, but: ServiceSettings | None = None) -> None:
        """Close the models that nobody uses, except those of the settings ``but``."""
        with self.lock:
            unused = [key for key, entry in self.loaded.items() if not entry.users and key != but]
            closing = [self.loaded.pop(key).models for key in unused]
        for models in closing:
            models.close()


_shelf = _Shelf()


class Lease:
    """A claim on models, which stay loaded until ``release`` at least; raise ``ModelUnavailable``, ``CheckpointError``.

    One set of models is kept when it is not used: the one that was asked for last.
    """

    def __init__(self, settings: OfflineSettings) -> None:
        route_logs()
        self._key, self._held = service_settings(settings), True
        _shelf.free_unused(but=self._key)
        with _shelf.lock:
            if self._key not in _shelf.loaded:
                _shelf.loaded[self._key] = _Loaded(Models(self._key))
            entry = _shelf.loaded[self._key]
            entry.users += 1
        self.models = entry.models

    def release(self) -> None:
        """Give up the claim; later calls do nothing."""
        with _shelf.lock:
            if self._held and self._key in _shelf.loaded:
                _shelf.loaded[self._key].users -= 1
            self._held = False


@contextmanager
def leased(settings: OfflineSettings) -> Iterator[Models]:
    """Give models for the time of a block."""
    lease = Lease(settings)
    try:
        yield lease.models
    finally:
        lease.release()


def unload() -> None:
    """Free the memory of models that nothing uses at the moment, and end their threads and processes.

    The next call loads them again, which takes seconds.
    """
    _shelf.free_unused()


@atexit.register
def _close_all() -> None:
    for entry in _shelf.loaded.values():
        entry.models.close()
