"""``watchword.Pipeline``: events in frames that the caller has."""

import threading
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from alignment.errors import WatchwordError
from daemon.runtime.base import StreamHandle
from watchword.logs import route_logs
from watchword.models import Lease, Use
from watchword.queue import EventQueue
from watchword.settings import AnyPath, Area, Events, Fps, Input, ModelChoice
from watchword.tagging import writable
from workers.decisions.snapshot import StreamState
from workers.events.event import Event
from workers.models.profiles import ProfileName
from workers.sources.pushed import PushedSource

POLL_S = 0.02
KEEP_EVENTS = 10_000


class Pipeline:
    """Finds events in frames that are pushed. Models are loaded when it is made.

    ``fps``: how many frames a second are looked at; others cost nothing. ``events``, ``zones``, ``masks``,
    ``evidence``, ``profile`` and ``config`` are as for ``watch``. For one thread at a time. As a context manager it is
    closed with the block.
    """

    def __init__(
        self,
        events: Events | None = None,
        *,
        name: str = "pipeline",
        fps: Fps = 1.0,
        zones: Mapping[str, Area] | None = None,
        masks: Sequence[Area] = (),
        blur_faces: bool | None = None,
        evidence: AnyPath | None = None,
        profile: ProfileName | None = None,
        config: AnyPath | None = None,
    ) -> None:
        route_logs()
        loaded, settings = ModelChoice(config, profile).load()
        given = Input(name, fps=fps, audio=False, zones=zones, masks=masks, blur_faces=blur_faces)
        camera, specs = given.resolve(events, loaded, settings)
        folder = writable(evidence)
        self._lease, self._queue = Lease(settings), EventQueue()
        models = self._lease.models
        try:
            source = PushedSource(camera, models.description.frame_spec, pictures=folder is not None)
        except WatchwordError:  # no detector of faces
            self._lease.release()
            raise
        self._source = source
        use = Use(models, self._queue, folder, False, lambda *_: source)  # which must not refer to this object
        self._stream: StreamHandle = use.start_stream(camera, specs)
        self._found: dict[str, Event] = {}
        self._closed = False
        weakref.finalize(self, _abandon, self._source, self._stream, self._lease)

    def push(self, frame: NDArray[np.uint8], t: float) -> list[Event]:
        """Take a frame, uint8[height, width, 3] in RGB, of second ``t``; return revisions of events that are new.

        What a frame shows is decided in the background, so its events come with one of the next calls, or with
        ``close``. Waits while the models are far behind. ``t`` are seconds from any origin that do not decrease; times
        of events are on the same axis. Raise ``ValueError`` for a frame or time that cannot be used, and the
        ``WatchwordError`` of a model that failed.
        """
        if self._closed:
            raise ValueError("the pipeline is closed; make another one")
        if not self._source.push(frame, t):
            self._finish()
        return self._take()

    def close(self) -> list[Event]:
        """Decide on all frames and return the last revision of every event, in order of time.

        Later calls return the same again. Raise the ``WatchwordError`` of a model that failed.
        """
        if not self._closed:
            self._source.end()
            self._finish()
            self._take()
        return sorted(self._found.values(), key=lambda event: (event.start, event.end, event.event))

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif not self._closed:
            self._closed = True
            _abandon(self._source, self._stream, self._lease)

    def _take(self) -> list[Event]:
        revisions = self._queue.take()
        for event in revisions:
            self._found[event.id] = event
        while len(self._found) > KEEP_EVENTS:
            del self._found[next(iter(self._found))]
        return revisions

    def _finish(self) -> None:
        """Wait for the end of the stream; raise what made it fail."""
        self._closed = True
        pause = threading.Event()
        try:
            while (snapshot := self._stream.snapshot()).state not in (StreamState.FINISHED, StreamState.FAILED):
                pause.wait(POLL_S)
        finally:
            self._stream.kill()
            self._lease.release()
        if snapshot.state is StreamState.FAILED:
            raise snapshot.failure or WatchwordError(snapshot.error or "the stream failed")


def _abandon(source: PushedSource, stream: StreamHandle, lease: Lease) -> None:
    """End the stream of a pipeline that was not closed."""
    source.stop()
    stream.stop()
    lease.release()
