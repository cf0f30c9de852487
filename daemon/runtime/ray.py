"""The runtime on Ray: an actor for each camera, and one each for encoder, transcriber and publisher."""

import itertools
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from alignment.errors import WatchwordError
from daemon.config.sections.cameras import UPLOADS
from daemon.logs.ray_output import adopt_output
from daemon.logs.setup import adopt_libraries, worker_hook
from daemon.runtime.base import STOP_S, ServicesSnapshot, SharedServices, StreamHandle
from daemon.runtime.cluster import UNREACHABLE_HINT, check_reachable
from workers.actors.clients import Handle, RayTransport, get
from workers.actors.shells import EncoderActor, SpeechActor, StateActor, StreamActor
from workers.clock import PollTimer, SystemClock
from workers.decisions.snapshot import StreamSnapshot, StreamState
from workers.decisions.stream_rules import RulesOrder
from workers.errors import ClusterUnreachable, ModelUnavailable, ServiceDied, ServiceLost, SourceError
from workers.models.profiles import PROFILES
from workers.services.clients import EncoderDescription
from workers.services.proxies import AlignerProxy, DetectorProxy, EncoderProxy, SinkProxy, SpeechProxy, StateProxy
from workers.services.settings import ServiceSettings
from workers.sources.factory import build_confined
from workers.sources.url import is_local
from workers.stream.latest_frame import LatestFrame
from workers.types import CameraSpec, EventSpec

CLOSE_S = 2.0
SPARE_S = 30.0  # how long an actor waits for the next upload
UNRESPONSIVE_S = 15.0  # an actor that responded before, but not for so long, hangs
LOAD_S = 120.0  # the same for one that loads its models
START_S = 45.0  # and for a stream, which loads none
RESTARTED = {"max_restarts": -1, "max_task_retries": -1}  # by Ray, with its requests; streams by the supervisor

log = structlog.get_logger()


class Poll:
    """The latest snapshot of an actor, requested again and again without waiting."""

    def __init__(self, actor: Handle, start_s: float) -> None:
        self._request = actor.snapshot.options(max_task_retries=0)
        self._start_s = self._limit_s = start_s
        self._response: Handle | None = None
        self._latest: Any = None
        self._unresponsive_s = 0.0
        self._timer = PollTimer(SystemClock())

    def latest(self) -> Any:
        """Return the last snapshot, None before the first and after an error.

        Raise ``ServiceDied``, ``ServiceLost`` for an unresponsive actor, and the error of the request.
        """
        self._unresponsive_s += self._timer.passed()
        if self._response is None:
            self._response = self._request.remote()
        ready, _ = ray.wait([self._response], timeout=0)
        if ready:
            self._response, self._latest, self._unresponsive_s, self._limit_s = None, None, 0.0, self._start_s
            self._latest = get(ready[0])
            self._limit_s = UNRESPONSIVE_S
        elif self._unresponsive_s > self._limit_s:
            raise ServiceLost(f"no response from an actor for {self._unresponsive_s:.0f} s", "it is restarted")
        return self._latest


class Service:
    """An actor that Ray restarts when it has died; one that hangs is killed for that."""

    def __init__(self, name: str, actor: Handle) -> None:
        self._name, self._actor, self._poll = name, actor, Poll(actor, LOAD_S)
        self._logged = ""

    def snapshot(self) -> Any:
        """Return the latest snapshot; None while there is none."""
        try:
            latest = self._poll.latest()
        except ServiceDied:
            return None
        except ServiceLost as error:
            log.error("service hangs and is replaced", service=self._name, error=str(error))
            ray.kill(self._actor, no_restart=False)
            self._poll = Poll(self._actor, LOAD_S)
            return None
        except WatchwordError as error:  # it was restarted and cannot load yet
            if str(error) != self._logged:
                log.error("service cannot be loaded and is tried again", service=self._name, error=str(error))
            self._logged = str(error)
            return None
        if latest is not None:
            self._logged = ""
        return latest


class RayStream:
    """``StreamHandle`` over a ``StreamActor``. ``keep`` receives the actor once it has ended a stream in good order."""

    def __init__(self, camera: str, actor: Handle, keep: Callable[[Handle], None] | None = None) -> None:
        self._actor, self._poll, self._keep = actor, Poll(actor, START_S), keep
        self._last = StreamSnapshot(camera)
        self._kept = False

    def snapshot(self) -> StreamSnapshot:
        """Return the latest snapshot; raise ``ServiceLost``."""
        if self._kept:
            return self._last
        self._last = last = self._poll.latest() or self._last
        unreadable = last.state == StreamState.FAILED and isinstance(last.failure, SourceError)
        if self._keep is not None and (last.state == StreamState.FINISHED or unreadable):
            self._kept = True
            self._keep(self._actor)
        return last

    def latest_frame(self, timeout_s: float) -> LatestFrame | None:
        """Return the latest sampled frame; raise ``ServiceLost``."""
        if self._kept:
            return None
        found: LatestFrame | None = get(self._actor.latest_frame.options(max_task_retries=0).remote(), timeout_s)
        return found

    def change_rules(self, order: RulesOrder) -> None:
        """Decide by other rules from the next hop on."""
        if not self._kept:
            self._actor.change_rules.remote(order)

    def stop(self) -> None:
        """Request an orderly end."""
        if not self._kept:
            self._actor.stop.remote()

    def kill(self) -> None:
        """End the actor's process, unless it has ended its stream and waits for another."""
        if not self._kept:
            ray.kill(self._actor)


class RayRuntime(SharedServices):
    """The ``Runtime`` on Ray: a cluster of its own on this machine, or an existing one at ``address``."""

    def __init__(self, settings: ServiceSettings, address: str | None = None) -> None:
        self._settings, self._address = settings, address
        self.config_hash = settings.config_hash
        self._services: list[Service] = []
        self._give_back_output: Callable[[], None] = lambda: None
        self._spare: Handle | None = None  # an actor that waits for the next upload: starting one takes seconds
        self._spare_until = 0.0  # monotonic
        self._turns = itertools.count()

    def start(self) -> EncoderDescription:
        """Start or join Ray, load models, open the event log."""
        try:
            return self._start()
        except BaseException:
            self._give_back_output()
            raise

    def _start(self) -> EncoderDescription:
        settings = self._settings
        self._init()
        options = settings.encoder
        gpu = 1 if self._gpus() and options.device in ("auto", "cuda") else 0
        needs = {"num_gpus": gpu, "num_cpus": 0 if gpu else 1}
        encoders = _remote(EncoderActor, **needs, **RESTARTED)
        actors = {"encoder": encoders.remote(options, settings.aligner, settings.sample)}
        if settings.speech is not None:
            actors["speech"] = _remote(SpeechActor, num_cpus=1, **RESTARTED).remote(settings.speech)
        place = _stays_on(_this_node())
        owner = _remote(StateActor, num_cpus=0, max_concurrency=16, scheduling_strategy=place, **RESTARTED)
        actors["publisher"] = owner.remote(settings)
        sink = SinkProxy(RayTransport(actors["publisher"], "publisher"))
        state = StateProxy(RayTransport(actors["publisher"], "state"))
        sink.snapshot()
        encoder = EncoderProxy(RayTransport(actors["encoder"], "encoder"))
        description = encoder.describe()
        if "speech" in actors and not _loads(actors["speech"]):
            del actors["speech"]
        speech = SpeechProxy(RayTransport(actors["speech"], "speech")) if "speech" in actors else None
        network = AlignerProxy(RayTransport(actors["encoder"], "aligner")) if settings.aligner.served else None
        detects = PROFILES[options.profile].detects
        detector = DetectorProxy(RayTransport(actors["encoder"], "detector")) if detects else None
        self._share(encoder, sink, state, build_confined, speech, network, detector)
        self._services = [Service(name, actor) for name, actor in actors.items()]
        return description

    def _init(self) -> None:
        """Start Ray without its dashboard, or join it."""
        if self._address:
            check_reachable(self._address)
        local = {} if self._address else {"include_dashboard": False, "num_cpus": max(4, os.cpu_count() or 1)}
        self._give_back_output = adopt_output()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            ray.init(
                address=self._address or "local",  # without, Ray would join whatever cluster this machine runs
                namespace="watchword",
                logging_level=logging.WARNING,
                configure_logging=True,
                runtime_env={"worker_process_setup_hook": worker_hook()},
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

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Start a stream in an actor."""
        keep = self._keep if camera.name == UPLOADS else None
        actor = self._spare if keep else None
        if actor is None:
            place = self._place(camera)
            settings = replace(self._settings, redis=None)  # a stream needs no password
            actor = _remote(StreamActor, num_cpus=0, max_restarts=0, scheduling_strategy=place).remote(settings)
        else:
            self._spare = None
        actor.watch.remote(camera, events, self._services_of(camera, events), self.config_hash)
        return RayStream(camera.name, actor, keep)

    def _place(self, camera: CameraSpec) -> NodeAffinitySchedulingStrategy:
        """Return where a stream runs: a file or a device is here; others take turns on the nodes, from here on."""
        here = _this_node()
        if self._address is None or is_local(camera.url):
            return _stays_on(here)
        nodes = sorted((n["NodeID"] for n in ray.nodes() if n["Alive"]), key=lambda node: (node != here, node))
        return _stays_on(nodes[next(self._turns) % len(nodes)])

    def _keep(self, actor: Handle) -> None:
        self._spare, self._spare_until = actor, time.monotonic() + SPARE_S

    def snapshot(self) -> ServicesSnapshot:
        """Return the latest counters of the services; None for one that is being restarted."""
        if time.monotonic() > self._spare_until:
            self._spare = None  # Ray ends what nobody refers to
        found: dict[str, Any] = {}
        for service in self._services:
            found |= service.snapshot() or {}
        return ServicesSnapshot(*map(found.get, ("encoder", "detector", "aligner", "speech", "publisher", "index")))

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the services and leave Ray."""
        with suppress(ServiceLost):  # what waits is on disk
            self._sink.close(min(timeout_s, CLOSE_S))
        with suppress(ServiceLost):  # what it leaves open is made full by the next start
            self._state.close(min(timeout_s, CLOSE_S))
        ray.shutdown()
        self._give_back_output()


def _loads(speech: Handle) -> bool:
    """Return whether the transcriber loads; wait for it."""
    try:
        get(speech.snapshot.remote())
    except ModelUnavailable as error:
        log.warning("speech is not transcribed", code=error.code, error=str(error))
        return False
    return True


def _this_node() -> str:
    """Return the node that runs on the machine of this process."""
    node: str = ray.get_runtime_context().get_node_id()
    return node


def _stays_on(node: str) -> NodeAffinitySchedulingStrategy:
    """Return what keeps an actor on a node, also when it is restarted; it fails where that node is gone."""
    return NodeAffinitySchedulingStrategy(node, soft=False)


def _remote(shell: type, **options: Any) -> Handle:
    """Return a class as Ray's actor class."""
    return ray.remote(**options)(shell)
