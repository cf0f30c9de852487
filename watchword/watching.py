"""``watchword.watch``: the events of a camera or another input, while they happen."""

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import structlog

from alignment.errors import WatchwordError
from daemon.observability.camera_state import CameraState
from daemon.service.supervised_camera import SupervisedCamera
from daemon.service.supervisor import Supervisor
from watchword.logs import route_logs
from watchword.models import Lease, Use
from watchword.queue import EventQueue
from watchword.settings import AnyPath, Area, Events, Fps, Input, ModelChoice
from watchword.tagging import writable
from workers.events.event import Event
from workers.models.profiles import ProfileName
from workers.sources.url import is_live
from workers.types import CameraSpec, EventSpec

STEP_S = 0.2
DRAIN_S = 8.0  # for an orderly end: a source ends within its read timeout

log = structlog.get_logger()


def watch(
    url: AnyPath,
    events: Events | None = None,
    *,
    on_event: Callable[[Event], object] | None = None,
    name: str = "camera",
    fps: Fps = 1.0,
    audio: bool = True,
    zones: Mapping[str, Area] | None = None,
    masks: Sequence[Area] = (),
    blur_faces: bool | None = None,
    evidence: AnyPath | None = None,
    profile: ProfileName | None = None,
    config: AnyPath | None = None,
) -> "Watch":
    """Watch a camera, a stream or a file in the background; return a ``Watch``, which gives its events.

    With ``on_event`` each revision of an event is passed to that function, in a thread of its own; without it, iterate
    over the ``Watch``. ``url`` and the settings of the camera are those of a configuration (``cameras.NAME``);
    ``events``, ``evidence``, ``profile`` and ``config`` are as for ``tag``.

    Models are loaded before this returns. Raise ``ConfigError`` and ``ModelUnavailable``. A live stream is tried until
    it is there, and again when it is lost: ``Watch.problem`` and the log say why nothing comes.
    """
    route_logs()
    loaded, settings = ModelChoice(config, profile).load()
    source = Input(name, url, fps, audio, zones, masks, blur_faces)
    camera, specs = source.resolve(events, loaded, settings)
    folder = writable(evidence)
    return Watch(camera, specs, Lease(settings), folder, on_event)


class Watch:
    """A running watch over one input. Iterate over it, once; as a context manager it ends with the block.

    Iterating yields revisions of events (``event.type`` is ``new``, ``update`` or ``end``) until the input ends or
    ``stop`` is called, and raises the error of an input that cannot be read. A ``Watch`` that is no longer referenced
    stops, unless it has an ``on_event``.
    """

    def __init__(
        self,
        camera: CameraSpec,
        events: tuple[EventSpec, ...],
        lease: Lease,
        evidence: Path | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self._run = _Run(camera, events, lease, evidence, on_event)
        if on_event is None:
            weakref.finalize(self, self._run.stopping.set)
        self._run.start()

    def __iter__(self) -> Iterator[Event]:
        if self._run.on_event is not None:
            raise TypeError("events go to `on_event`; leave it out to iterate over them")
        while (event := self._run.queue.next()) is not None:
            yield event
        self.wait()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.wait()
        else:
            self._run.join(None)

    def stop(self) -> None:
        """Request an orderly end and return at once: open events are ended first. From any thread."""
        self._run.stopping.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the watch has ended, at most ``timeout`` seconds; return whether it has.

        Raise the ``WatchwordError`` of an input that cannot be read, or what ``on_event`` raised, which ends the watch.
        """
        ended = self._run.join(timeout)
        if ended and self._run.failure is not None:
            raise self._run.failure
        return ended

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._run.join(0)

    @property
    def problem(self) -> str | None:
        """Why no frames come at the moment, as ``code: message``; None while they do."""
        return self._run.camera.snapshot.error if self._run.camera else None


class _Run:
    """The threads of a ``Watch``, which do not refer to it."""

    def __init__(
        self,
        camera: CameraSpec,
        events: tuple[EventSpec, ...],
        lease: Lease,
        evidence: Path | None,
        on_event: Callable[[Event], object] | None,
    ) -> None:
        self.queue, self.on_event = EventQueue(), on_event
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self.camera: SupervisedCamera | None = None
        self._spec, self._events, self._lease, self._evidence = camera, events, lease, evidence
        self._threads = [threading.Thread(target=self._watch, name=f"watch-{camera.name}", daemon=True)]
        if on_event is not None:
            self._threads.append(threading.Thread(target=self._deliver, name=f"events-{camera.name}", daemon=True))

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float | None) -> bool:
        """Wait for the threads, except the one that calls; return whether they have ended."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _watch(self) -> None:
        try:
            self._supervise()
        except Exception as error:  # boundary: the caller learns of it when it waits
            self.failure = self.failure or error
        finally:
            self.queue.close()
            self._lease.release()

    def _supervise(self) -> None:
        """Keep the stream running until it has ended for good or ``stop`` was called."""
        use = Use(self._lease.models, self.queue, self._evidence)
        supervisor = Supervisor(use, retry=is_live(self._spec.url))
        supervisor.watch(self._spec, self._events)
        (self.camera,) = supervisor.cameras
        while not self.stopping.is_set() and not self.camera.done:
            supervisor.step()
            self.stopping.wait(STEP_S)
        supervisor.drain(DRAIN_S)
        if self.camera.state is CameraState.FAILED and not self.stopping.is_set():
            snapshot = self.camera.snapshot
            self.failure = snapshot.failure or WatchwordError(snapshot.error or "the stream failed")

    def _deliver(self) -> None:
        assert self.on_event is not None
        try:
            while (event := self.queue.next()) is not None:
                self.on_event(event)
        except Exception as error:  # boundary: the caller's own error, which `wait` raises again
            log.exception("on_event failed, the watch ends", camera=self._spec.name)
            self.failure = error
            self.stopping.set()
