"""Batches the frames of many streams: what arrives within a few milliseconds is encoded in one forward pass."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from alignment.errors import FeatureError
from alignment.types import F32
from workers.clock import Clock, SystemClock
from workers.errors import ModelUnavailable, Overloaded
from workers.services.scheduler import DEFAULT_CONTEXT, RequestContext, RequestScheduler, Waiting
from workers.telemetry import InFlightTimer
from workers.types import U8, Areas

T = TypeVar("T")
EncodeZones = Callable[[U8, Sequence[tuple[Areas, ...]]], F32]
"""Embed frames u8[N, H, W, 3] and the zones of each, as f32[N + zones, D]: the row of a frame, then of its zones."""
MAX_FRAMES = 64
MAX_WAIT_S = 0.015


@dataclass(frozen=True, slots=True)
class BatcherSnapshot:
    """A batcher's counters, copied at one moment."""

    batches: dict[int, int] = field(default_factory=dict)  # frames in a forward pass -> how many such passes
    queue_depth: int = 0  # requests that wait
    in_flight_s: float = 0.0  # how long the present pass or call has taken so far


@dataclass(slots=True)
class _Frames:
    frames: U8  # not yet encoded
    zones: tuple[Areas, ...]  # of each of them
    future: "Future[F32]"
    rows: list[F32] = field(default_factory=list)  # of those that are


@dataclass(frozen=True, slots=True)
class _Call:
    fn: Callable[[], Any]
    future: "Future[Any]"


_Part = tuple[_Frames, U8]  # a request, and those of its frames that go into the pass


class FrameBatcher:
    """Runs an encoder in a thread, on frames of many streams together, in the order of ``RequestScheduler``.

    The first request opens a batch, which closes at ``max_frames`` or after ``max_wait_s``. A request that does not
    fit opens the next batch; frames of another size never share one. A request larger than ``max_frames`` is a batch of
    its own; while live streams wait, a batch that would take longer than ``MAX_PASS_S`` is split. An error of the model
    goes to the requests of its batch.
    """

    def __init__(
        self,
        encode: Callable[[U8], F32],
        max_frames: int = MAX_FRAMES,
        max_wait_s: float = MAX_WAIT_S,
        clock: Clock | None = None,
        encode_zones: EncodeZones | None = None,
    ) -> None:
        self._encode, self._max_frames, self._max_wait_s = encode, max_frames, max_wait_s
        self._encode_zones = encode_zones
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()  # guards everything below
        self._queue: RequestScheduler[_Frames | _Call] = RequestScheduler(self._clock)
        self._closed = False
        self._batches: dict[int, int] = {}
        self._in_flight = InFlightTimer(self._clock)
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def submit(
        self, frames: U8, context: RequestContext = DEFAULT_CONTEXT, zones: tuple[Areas, ...] = ()
    ) -> "Future[F32]":
        """Embed u8[N, H, W, 3] as f32[N, D]. Cancelling the future before its batch starts removes the request.

        With Z ``zones`` of each frame as f32[N · (1 + Z), D]: behind the row of a frame those of its zones.

        A live stream's frames may be dropped: the future then raises ``Overloaded``.
        """
        future: Future[F32] = Future()
        self._put(_Frames(frames, zones, future), context, context.live)
        return future

    def call(self, fn: Callable[[], T], context: RequestContext = DEFAULT_CONTEXT) -> "Future[T]":
        """Run ``fn`` (a text encoding, for example) in the encoder's thread, when it is scheduled."""
        future: Future[T] = Future()
        self._put(_Call(fn, future), context, False)
        return future

    def snapshot(self) -> BatcherSnapshot:
        """Return the counters. May be called from any thread."""
        with self._changed:
            return BatcherSnapshot(
                batches=dict(self._batches),
                queue_depth=len(self._queue),
                in_flight_s=self._in_flight.seconds,
            )

    def close(self, timeout_s: float | None = None) -> bool:
        """Finish all requests and refuse later ones; return whether all finished in time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, item: _Frames | _Call, context: RequestContext, may_drop: bool) -> None:
        with self._changed:
            if self._closed:
                raise ModelUnavailable("the encoder has been closed", "submit before closing")
            self._queue.put(item, context, may_drop)
            self._changed.notify_all()

    def _run(self) -> None:
        while work := self._next():
            with self._in_flight:
                if isinstance(work, _Call):
                    self._call(work)
                else:
                    self._encode_batch(work)
            del work  # or its frames would live until the next request

    def _next(self) -> "_Call | list[_Part] | None":
        """Wait for work and return it; None: closed and empty. Requests that waited too long fail as overloaded."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) or self._closed)
            first = self._queue.next()
            if first is None:
                return None
            work: _Call | list[_Part]
            if isinstance(first.item, _Call):
                self._queue.serve(first)
                work = first.item
            else:
                work = self._collect(first, first.item)
            late = self._queue.shed()
        for item in late:  # outside the lock: callbacks run here
            if item.future.set_running_or_notify_cancel():
                item.future.set_exception(Overloaded("the encoder has more to do than it can"))
        return work

    def _collect(self, first: "Waiting[_Frames | _Call]", request: _Frames) -> list[_Part]:
        """Take the requests of one batch, in order. Called with the lock held."""
        most = self._queue.most(self._max_frames)
        parts = [self._part(first, request, self._queue.most(len(request.frames)))]
        deadline = self._clock.monotonic() + self._max_wait_s
        while (room := most - sum(len(part) for _, part in parts)) > 0:
            following = self._queue.next(lambda item: not isinstance(item, _Frames) or _alike(item.frames, parts[0][1]))
            if following is None:
                others_wait = len(self._queue) > 0
                if self._closed or others_wait or not self._changed.wait(deadline - self._clock.monotonic()):
                    break
                continue
            item = following.item
            if not isinstance(item, _Frames) or len(item.frames) > room:
                break
            parts.append(self._part(following, item, room))
        return parts

    def _part(self, waiting: "Waiting[_Frames | _Call]", request: _Frames, most: int) -> _Part:
        """Take up to ``most`` frames of a request; the rest stays in the queue."""
        part, request.frames = request.frames[:most], request.frames[most:]
        self._queue.serve(waiting, done=not len(request.frames))
        return request, part

    def _encode_batch(self, parts: list[_Part]) -> None:
        wanted = [(request, part) for request, part in parts if _starts(request.future)]
        if not wanted:
            return
        frames = sum(len(part) for _, part in wanted)
        sizes = [len(part) * (1 + len(request.zones)) for request, part in wanted]
        started = self._clock.monotonic()
        try:
            rows = self._rows(wanted)
            if len(rows) != sum(sizes):
                raise FeatureError(f"the encoder gave {len(rows)} rows for {frames} frames")
        except Exception as error:  # boundary: an error of the model belongs to the requests
            self._count(frames)
            for request, _ in wanted:
                request.future.set_exception(error)
            return
        self._count(frames, self._clock.monotonic() - started)
        for (request, _), part in zip(wanted, np.split(rows, np.cumsum(sizes)[:-1]), strict=True):
            request.rows.append(part)
            if not len(request.frames):
                request.future.set_result(part if len(request.rows) == 1 else np.concatenate(request.rows))

    def _rows(self, parts: list[_Part]) -> F32:
        frames = np.concatenate([part for _, part in parts]) if len(parts) > 1 else parts[0][1]
        zones = [request.zones for request, part in parts for _ in part]
        return self._encode_zones(frames, zones) if self._encode_zones and any(zones) else self._encode(frames)

    def _call(self, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            result = call.fn()
        except Exception as error:  # boundary: as above
            call.future.set_exception(error)
        else:
            call.future.set_result(result)

    def _count(self, frames: int, seconds: float | None = None) -> None:
        """Count a pass and how long it took; None: it failed."""
        with self._changed:
            self._batches[frames] = self._batches.get(frames, 0) + 1
            if frames and seconds is not None:
                self._queue.took(frames, seconds)


def _alike(a: U8, b: U8) -> bool:
    """Return whether two requests may share a pass: cameras of other aspect ratios have frames of other sizes."""
    return a.shape[1:] == b.shape[1:] and a.dtype == b.dtype


def _starts(future: "Future[F32]") -> bool:
    """Return whether to process a request: not if it was cancelled, or if an earlier part of it failed."""
    return future.running() or (not future.done() and future.set_running_or_notify_cancel())
