"""One model, many streams: what arrives within a few milliseconds is encoded in one forward pass."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from alignment.errors import FeatureError
from alignment.types import F32
from workers.errors import ModelUnavailable
from workers.types import U8

T = TypeVar("T")
MAX_FRAMES = 64
MAX_WAIT_S = 0.015


@dataclass(frozen=True, slots=True)
class BatcherSnapshot:
    """A batcher's counters, copied at one moment."""

    frames: int = 0
    batches: dict[int, int] = field(default_factory=dict)  # frames in a forward pass -> how many such passes
    last_batch: int = 0
    failures: int = 0
    busy_s: float = 0.0  # time spent in the model
    queue_depth: int = 0  # requests that wait


@dataclass(frozen=True, slots=True)
class _Frames:
    frames: U8
    future: "Future[F32]"


@dataclass(frozen=True, slots=True)
class _Call:
    fn: Callable[[], Any]
    future: "Future[Any]"


class FrameBatcher:
    """Runs an encoder on one thread of its own, frames of many streams together, in order of arrival.

    The first waiting request opens a batch; it closes at ``max_frames`` or ``max_wait_s`` later. A request is
    never split: one that does not fit opens the next batch, one larger than ``max_frames`` goes alone. An
    error in the model goes to exactly the requests of its batch.
    """

    def __init__(
        self, encode: Callable[[U8], F32], max_frames: int = MAX_FRAMES, max_wait_s: float = MAX_WAIT_S
    ) -> None:
        self._encode, self._max_frames, self._max_wait_s = encode, max_frames, max_wait_s
        self._queue: queue.SimpleQueue[_Frames | _Call | None] = queue.SimpleQueue()
        self._held: list[_Frames | _Call | None] = []  # taken from the queue, but for the next batch
        self._lock = threading.Lock()
        self._closed = False
        self._frames = self._last = self._failures = 0
        self._busy_s = 0.0
        self._batches: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    def submit(self, frames: U8) -> "Future[F32]":
        """Ask for f32[N, D] of u8[N, H, W, 3]. Cancelling the future before its batch starts takes it out."""
        future: Future[F32] = Future()
        self._put(_Frames(frames, future))
        return future

    def call(self, fn: Callable[[], T]) -> "Future[T]":
        """Run ``fn`` (a text encoding, say) on the encoder's thread, in its turn."""
        future: Future[T] = Future()
        self._put(_Call(fn, future))
        return future

    def snapshot(self) -> BatcherSnapshot:
        """Return the counters. May be called from any thread."""
        with self._lock:
            return BatcherSnapshot(
                frames=self._frames,
                batches=dict(self._batches),
                last_batch=self._last,
                failures=self._failures,
                busy_s=self._busy_s,
                queue_depth=self._queue.qsize(),
            )

    def close(self, timeout_s: float | None = None) -> bool:
        """Finish what was submitted, refuse what comes later; return whether all was done in time."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, item: _Frames | _Call) -> None:
        with self._lock:
            if self._closed:
                raise ModelUnavailable("the encoder has been closed", "submit before closing")
            self._queue.put(item)

    def _run(self) -> None:
        while (item := self._next(None)) is not None:
            if isinstance(item, _Call):
                self._call(item)
            else:
                self._encode_batch(self._collect(item))
            del item  # or its frames would live until the next request

    def _next(self, timeout_s: float | None) -> _Frames | _Call | None:
        return self._held.pop() if self._held else self._queue.get(timeout=timeout_s)

    def _collect(self, first: _Frames) -> list[_Frames]:
        """Return the requests of one batch; whatever ends it early waits in ``_held``."""
        batch, total = [first], len(first.frames)
        deadline = time.perf_counter() + self._max_wait_s
        while total < self._max_frames:
            try:
                item = self._next(max(0.0, deadline - time.perf_counter()))
            except queue.Empty:
                break
            if not (isinstance(item, _Frames) and self._joins(item, first, total)):
                self._held.append(item)
                break
            batch.append(item)
            total += len(item.frames)
        return batch

    def _joins(self, item: _Frames, first: _Frames, total: int) -> bool:
        """Return whether ``item`` fits; pictures of another shape must not spoil the others' batch."""
        alike = item.frames.shape[1:] == first.frames.shape[1:] and item.frames.dtype == first.frames.dtype
        return alike and total + len(item.frames) <= self._max_frames

    def _encode_batch(self, requests: list[_Frames]) -> None:
        wanted = [r for r in requests if r.future.set_running_or_notify_cancel()]
        if not wanted:
            return
        sizes = [len(r.frames) for r in wanted]
        started = time.perf_counter()
        try:
            rows = self._encode(np.concatenate([r.frames for r in wanted]) if len(wanted) > 1 else wanted[0].frames)
            if len(rows) != sum(sizes):
                raise FeatureError(f"the encoder gave {len(rows)} rows for {sum(sizes)} frames")
        except Exception as error:  # boundary: whatever the model raises belongs to those who asked
            self._count(sum(sizes), time.perf_counter() - started, failed=True)
            for request in wanted:
                request.future.set_exception(error)
            return
        self._count(sum(sizes), time.perf_counter() - started, failed=False)
        for request, part in zip(wanted, np.split(rows, np.cumsum(sizes)[:-1]), strict=True):
            request.future.set_result(part)

    def _call(self, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        started = time.perf_counter()
        try:
            result = call.fn()
        except Exception as error:  # boundary: as above
            call.future.set_exception(error)
        else:
            call.future.set_result(result)
        with self._lock:
            self._busy_s += time.perf_counter() - started

    def _count(self, frames: int, seconds: float, failed: bool) -> None:
        with self._lock:
            self._busy_s += seconds
            self._last = frames
            self._batches[frames] = self._batches.get(frames, 0) + 1
            self._frames += 0 if failed else frames
            self._failures += failed
