"""Everything in Ray actors: one a camera, one encoder, one transcriber, one publisher."""

import logging
import os
import signal
import socket
from dataclasses import replace
from typing import Any

import ray
import structlog

from daemon.logs import adopt_libraries, worker_environment
from daemon.runtime import ServicesSnapshot, StreamHandle
from workers.actors import (
    EncoderActor,
    Handle,
    PublisherActor,
    RayEncoder,
    RaySink,
    SpeechActor,
    StreamActor,
    get,
)
from workers.errors import ClusterUnreachable, ModelUnavailable, ServiceLost
from workers.services import EncoderDescription
from workers.settings import ServiceSettings
from workers.snapshots import StreamSnapshot
from workers.types import CameraSpec, Event, EventSpec

SNAPSHOT_TIMEOUT_S = 5.0
KEPT = {
    "max_restarts": -1,
    "max_task_retries": -1,
}  # Ray restarts the actor and asks it again; streams are the supervisor's

log = structlog.get_logger()
UNREACHABLE_HINT = (
    "check ray.address, that the cluster runs (`ray status`), and that its token is in ~/.ray/auth_token; "
    "for a cluster without tokens set RAY_AUTH_MODE=disabled"
)
CONNECT_TIMEOUT_S = 5.0


class RayStream:
    """``StreamHandle`` over a ``StreamActor``."""

    def __init__(self, actor: Handle) -> None:
        self._actor = actor

    def snapshot(self) -> StreamSnapshot:
        """Return how it is; raise ``ServiceLost``."""
        found: StreamSnapshot = get(self._actor.snapshot.remote(), SNAPSHOT_TIMEOUT_S)
        return found

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._actor.stop.remote()

    def kill(self) -> None:
        """End the actor's process."""
        ray.kill(self._actor)


class RayRuntime:
    """The ``Runtime`` on Ray: a cluster of its own on this machine, or an existing one at ``address``."""

    def __init__(self, settings: ServiceSettings, address: str | None = None) -> None:
        self._settings, self._address = settings, address
        self._speech: Handle | None = None

    def start(self) -> EncoderDescription:
        """Start or join Ray, load models, open the spool."""
        settings = self._settings
        self._init()
        # Ray sets OMP_NUM_THREADS to an actor's CPUs: the encoder says itself how many it wants
        options = replace(settings.encoder, threads=settings.encoder.threads or os.cpu_count())
        gpu = 1 if self._gpus() and options.device in ("auto", "cuda") else 0
        needs = {"num_gpus": gpu, "num_cpus": 0 if gpu else 1}
        encoder = _remote(EncoderActor, **needs, **KEPT).remote(options, settings.aligner)
        if settings.speech is not None:
            self._speech = _remote(SpeechActor, num_cpus=1, **KEPT).remote(settings.speech)
        publisher = _remote(PublisherActor, num_cpus=0, max_concurrency=16, **KEPT).remote(
            settings.redis, settings.spool_folder
        )
        self._encoder, self._sink = encoder, RaySink(publisher)
        self._sink.snapshot()
        description = RayEncoder(encoder).describe()
        self._check_speech()
        return description

    def _init(self) -> None:
        """Start Ray without its dashboard, or join it."""
        if self._address:
            _check_reachable(self._address)
        local = {} if self._address else {"include_dashboard": False, "num_cpus": max(4, os.cpu_count() or 1)}
        environment = {
            "env_vars": worker_environment(),
            "worker_process_setup_hook": "daemon.logs.configure_worker",
        }
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            ray.init(
                address=self._address or "local",  # without, Ray would join whatever cluster this machine runs
                namespace="watchword",
                logging_level=logging.WARNING,
                configure_logging=True,
                runtime_env=environment,
                **local,
            )
        except ConnectionError as error:
            raise ClusterUnreachable(f"no Ray cluster at {self._address}", UNREACHABLE_HINT) from error
        finally:
            for number, handler in handlers.items():  # Ray's own abort the process, with a stack trace
                signal.signal(number, handler)
        adopt_libraries()

    def _gpus(self) -> float:
        return float(ray.cluster_resources().get("GPU", 0))

    def _check_speech(self) -> None:
        try:
            if self._speech is not None:
                get(self._speech.check.remote())
        except ModelUnavailable as error:
            log.warning("speech is not transcribed", code=error.code, error=str(error))
            self._speech = None

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Begin to watch."""
        services = (self._encoder, self._speech, self._sink.actor)
        return RayStream(
            _remote(StreamActor, num_cpus=0, max_restarts=0).remote(camera, events, self._settings, *services)
        )

    def snapshot(self) -> ServicesSnapshot:
        """Return how the services are; None for one that does not answer in time."""

        def ask(actor: Handle | None) -> Handle:
            try:
                return get(actor.snapshot.remote(), SNAPSHOT_TIMEOUT_S) if actor is not None else None
            except ServiceLost:
                return None

        return ServicesSnapshot(ask(self._encoder), ask(self._speech), ask(self._sink.actor))

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

    def stop(self) -> None:
        """End the services and leave Ray."""
        self._sink.close()
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise ``ClusterUnreachable`` where nobody listens: Ray itself would try for minutes. ``auto`` is left to Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        text = f"no Ray cluster at {address} ({error.strerror or error})"
        raise ClusterUnreachable(text, UNREACHABLE_HINT) from error


def _remote(shell: type, **options: Any) -> Handle:
    """Return a class as Ray's actor class."""
    return ray.remote(**options)(shell)
