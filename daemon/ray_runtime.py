"""Everything in Ray actors: one a camera, one encoder, one transcriber, one publisher."""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
import structlog

from alignment.errors import WatchwordError
from daemon.config.cameras import UPLOADS
from daemon.logs import adopt_libraries, worker_environment
from daemon.output import adopt_output
from daemon.runtime import STOP_S, ServicesSnapshot, StreamHandle
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
from workers.clock import Rounds, SystemClock
from workers.errors import ClusterUnreachable, ModelUnavailable, ServiceDied, ServiceLost, SourceError
from workers.services import EncoderDescription
from workers.settings import ServiceSettings
from workers.snapshots import StreamSnapshot
from workers.types import CameraSpec, Event, EventSpec

CLOSE_S = 2.0
SPARE_S = 30.0  # how long an actor waits for the next upload
SILENT_S = 15.0  # an actor that has answered before and is silent for so long hangs
LOAD_S = 120.0  # how long one that loads its models may be
START_S = 45.0  # and how long a stream, which loads none
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


class Poll:
    """The latest snapshot of an actor that is asked again and again, but never waited for."""

    def __init__(self, actor: Handle, start_s: float) -> None:
        self._ask = actor.snapshot.options(max_task_retries=0)
        self._start_s = self._limit_s = start_s
        self._answer: Handle | None = None
        self._latest: Any = None
        self._silent_s = 0.0
        self._rounds = Rounds(SystemClock())

    def latest(self) -> Any:
        """Return its last answer, None before the first and after an error.

        Raise ``ServiceDied``, ``ServiceLost`` for a silence, and the error with which it answers.
        """
        self._silent_s += self._rounds.passed()
        if self._answer is None:
            self._answer = self._ask.remote()
        ready, _ = ray.wait([self._answer], timeout=0)
        if ready:
            self._answer, self._latest, self._silent_s, self._limit_s = None, None, 0.0, self._start_s
            self._latest = get(ready[0])
            self._limit_s = SILENT_S
        elif self._silent_s > self._limit_s:
            raise ServiceLost(f"an actor has not answered for {self._silent_s:.0f} s", "it is replaced")
        return self._latest


class Service:
    """An actor that Ray starts again when it has died; one that hangs is killed for that."""

    def __init__(self, name: str, actor: Handle) -> None:
        self.actor = actor
        self._name, self._poll = name, Poll(actor, LOAD_S)
        self._told = ""

    def snapshot(self) -> Any:
        """Return its latest snapshot; None while there is none."""
        try:
            latest = self._poll.latest()
        except ServiceDied:
            return None
        except ServiceLost as error:
            log.error("service hangs and is replaced", service=self._name, error=str(error))
            ray.kill(self.actor, no_restart=False)
            self._poll = Poll(self.actor, LOAD_S)
            return None
        except WatchwordError as error:  # it was started again and cannot load yet
            if str(error) != self._told:
                log.error("service cannot be loaded and is tried again", service=self._name, error=str(error))
            self._told = str(error)
            return None
        if latest is not None:
            self._told = ""
        return latest


class RayStream:
    """``StreamHandle`` over a ``StreamActor``. ``keep`` is given the actor once it has ended a stream in good order."""

    def __init__(self, camera: str, actor: Handle, keep: Callable[[Handle], None] | None = None) -> None:
        self._actor, self._poll, self._keep = actor, Poll(actor, START_S), keep
        self._last = StreamSnapshot(camera)
        self._kept = False

    def snapshot(self) -> StreamSnapshot:
        """Return how it was last; raise ``ServiceLost``."""
        if self._kept:
            return self._last
        self._last = last = self._poll.latest() or self._last
        unread = last.state == "failed" and isinstance(last.failure, SourceError)
        if self._keep is not None and (last.state == "finished" or unread):
            self._kept = True
            self._keep(self._actor)
        return last

    def stop(self) -> None:
        """Ask for an orderly end."""
        if not self._kept:
            self._actor.stop.remote()

    def kill(self) -> None:
        """End the actor's process, unless it has ended its work and waits for other."""
        if not self._kept:
            ray.kill(self._actor)


class RayRuntime:
    """The ``Runtime`` on Ray: a cluster of its own on this machine, or an existing one at ``address``."""

    def __init__(self, settings: ServiceSettings, address: str | None = None) -> None:
        self._settings, self._address = settings, address
        self._speech: Handle | None = None
        self._services: dict[str, Service] = {}
        self._give_back_output: Callable[[], None] = lambda: None
        self._spare: Handle | None = None  # an actor that waits for the next upload: starting one takes seconds
        self._spare_until = 0.0  # monotonic

    def start(self) -> EncoderDescription:
        """Start or join Ray, load models, open the spool."""
        try:
            return self._start()
        except BaseException:
            self._give_back_output()
            raise

    def _start(self) -> EncoderDescription:
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
        actors = {"encoder": encoder, "speech": self._speech, "publisher": publisher}
        self._services = {name: Service(name, actor) for name, actor in actors.items() if actor is not None}
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
        self._give_back_output = adopt_output()
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
        keep = self._keep if camera.name == UPLOADS else None
        actor = self._spare if keep else None
        if actor is None:
            services = (self._encoder, self._speech, self._sink.actor)
            actor = _remote(StreamActor, num_cpus=0, max_restarts=0).remote(self._settings, *services)
        else:
            self._spare = None
        actor.watch.remote(camera, events)
        return RayStream(camera.name, actor, keep)

    def _keep(self, actor: Handle) -> None:
        self._spare, self._spare_until = actor, time.monotonic() + SPARE_S

    def snapshot(self) -> ServicesSnapshot:
        """Return how the services were last; None for one that is being started again."""
        if time.monotonic() > self._spare_until:
            self._spare = None  # Ray ends what nobody refers to
        found = {name: service.snapshot() for name, service in self._services.items()}
        encoder, aligner = found["encoder"] or (None, None)
        return ServicesSnapshot(encoder, aligner, found.get("speech"), found["publisher"])

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
        try:
            return self._sink.flush(timeout_s)
        except ServiceLost:
            return False

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the services and leave Ray."""
        with suppress(ServiceLost):  # what waits is on disk
            self._sink.close(min(timeout_s, CLOSE_S))
        ray.shutdown()
        self._give_back_output()


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
