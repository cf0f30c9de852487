"""Clips and full frames of one stream's events: when to make them, in a thread that delays no frame and no event.

A clip is made once, when its event is closed and the time after it has passed, or when it is as long as a clip may be:
of a longer event it shows the beginning. Until then the source keeps what is needed, within its memory. If that is used
up, the clip is made earlier, and if the stream stops, at once.
"""

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

import structlog

from alignment.errors import WatchwordError
from workers.clock import Clock
from workers.events.evidence import Followed
from workers.events.folder import CLIP, SNAPSHOT
from workers.services.clients import StateClient
from workers.sources.base import Source
from workers.types import CameraSpec, ClipOptions

POLL_S = 0.5
ARRIVAL_S = 0.2  # packets arrive a little after what they show
KEEP_EVENTS = 1000  # that have their clip, so that a late revision does not make another one
LIVE_FINISH_S = 2.0  # a live stream that ends waits so long for its clips

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Picture:
    """A full frame that is to be made."""

    event: Followed
    t: float


class ClipRecorder:
    """``Recorder`` of one stream. ``saved`` and ``failed`` count clips."""

    def __init__(
        self,
        source: Source,
        state: StateClient,
        camera: CameraSpec,
        options: ClipOptions,
        live: bool,
        clock: Clock,
    ) -> None:
        self.saved = self.failed = 0
        self._source, self._state, self._camera = source, state, camera.name
        self._options, self._live, self._clock = options, live, clock
        self.makes_clips = options.enabled and camera.clips
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, Followed] = OrderedDict()  # by name: events whose clip is to be made
        self._pictures: OrderedDict[str, _Picture] = OrderedDict()  # by name
        self._done: OrderedDict[str, None] = OrderedDict()
        self._news = self._working = self._finishing = self._ended = False
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None

    def follow(self, event: Followed) -> None:
        """Note an event, or a later revision of it; return at once."""
        with self._changed:
            if event.picture_s is not None:
                self._pictures[event.name] = _Picture(event, event.picture_s)
            if self.makes_clips and event.name not in self._done:
                self._waiting[event.name] = event
            if self._thread is None and (self._waiting or self._pictures):
                self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
                self._thread.start()
            self._news = True
            self._changed.notify_all()

    def finish(self, stopping: threading.Event) -> None:
        """Make what is still to be made, of what there is; of a live stream within ``LIVE_FINISH_S``.

        Of a file all of it, unless ``stopping`` is set: then it ends within that time, too.
        """
        with self._changed:
            self._finishing = self._news = True
            self._changed.notify_all()
            waited_s = 0.0
            while not self._is_idle and waited_s < LIVE_FINISH_S:
                self._changed.wait(POLL_S)
                waited_s += POLL_S if self._live or stopping.is_set() else 0.0
            self._ended = self._news = True
            self._changed.notify_all()

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of clips by what became of them."""
        return {"saved": self.saved, "failed": self.failed} if self.makes_clips else {}

    @property
    def _is_idle(self) -> bool:
        return not (self._waiting or self._pictures or self._working)

    def _run(self) -> None:
        held = None
        while True:
            with self._changed:
                self._news, self._working = False, False
                if self._ended:
                    return
                work = self._next()
                self._working = work is not None
                wanted = self._earliest(work)
                self._changed.notify_all()
            if wanted != held:
                held = wanted
                with suppress(WatchwordError):  # a source that has ended keeps nothing more
                    self._source.hold(held)
            if work is not None:
                self._make(work)
                continue
            with self._changed:
                if not self._news:
                    self._changed.wait(POLL_S if self._waiting else None)

    def _next(self) -> "_Picture | Followed | None":
        """Take the next piece of work. The caller holds the lock."""
        if self._pictures:
            return self._pictures.popitem(last=False)[1]
        due = [e for e in self._waiting.values() if self._is_due(e)]
        if not due and self._waiting and self._live and self._source.snapshot().kept_full:
            due = [min(self._waiting.values(), key=lambda e: e.start)]
        if not due:
            return None
        event = due[0]
        del self._waiting[event.name]
        self._done[event.name] = None
        while len(self._done) > KEEP_EVENTS:
            self._done.popitem(last=False)
        return event

    def _earliest(self, work: "_Picture | Followed | None") -> float | None:
        """Return from when on the source must keep what it receives; None: nothing is waited for."""
        starts = [e.start for e in self._waiting.values()]
        starts += [work.start] if isinstance(work, Followed) else []
        return min(starts) - self._options.pre_s if starts else None

    def _is_due(self, event: Followed) -> bool:
        if self._finishing or not self._live:
            return event.closed or self._finishing
        last = self._last_s(event) if event.closed else self._longest_s(event)
        return self._clock.wall() >= last + ARRIVAL_S

    def _longest_s(self, event: Followed) -> float:
        return event.start - self._options.pre_s + self._options.longest_s

    def _last_s(self, event: Followed) -> float:
        """Return the stream second at which the clip of a closed event ends."""
        return min(event.end + self._options.post_s, self._longest_s(event))

    def _make(self, work: "_Picture | Followed") -> None:
        try:
            if isinstance(work, _Picture):
                self._make_picture(work)
            else:
                self._make_clip(work)
        except Exception:  # boundary: a clip may be lost, the thread must go on
            log.exception("clip failed unexpectedly", camera=self._camera)

    def _make_clip(self, event: Followed) -> None:
        last = self._last_s(event) if event.closed else self._longest_s(event)
        last = min(last, self._clock.wall()) if self._live else last
        try:
            clip = self._source.clip(event.start - self._options.pre_s, last)
        except WatchwordError as error:
            self._note_failure("clip", event, error)
            self.failed += 1
            return
        shown = (clip.start, clip.end) if self._live else None
        kept = self._state.keep_evidence(self._camera, event.name + CLIP, event.event_id, clip.content, shown)
        self.saved, self.failed = self.saved + kept, self.failed + (not kept)

    def _make_picture(self, picture: _Picture) -> None:
        event, content = picture.event, picture.event.fallback
        try:
            content = self._source.picture(picture.t)
        except WatchwordError as error:
            self._note_failure("full frame", event, error)
        if content is not None:
            shown = (picture.t, picture.t) if self._live else None
            self._state.keep_evidence(self._camera, event.name + SNAPSHOT, event.event_id, content, shown)

    def _note_failure(self, what: str, event: Followed, error: WatchwordError) -> None:
        """Log why there is no clip or frame, each reason once for a stream."""
        level = log.debug if str(error) in self._told else log.warning
        self._told.add(str(error))
        level(
            "evidence of an event cannot be made", what=what, camera=self._camera, id=event.event_id, error=str(error)
        )
