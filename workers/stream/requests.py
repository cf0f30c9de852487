"""From a source to finished items: reads the source in a thread, requests features, and yields them in order.

For a *file* items come strictly in the order of the requests, so that the same file always gives the same events,
however the work is spread. For a *live* stream each item comes when it is finished, so that a slow transcript never
delays frames.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from alignment.errors import WatchwordError
from workers.audio.analyser import AnalysedAudio, AudioAnalyser
from workers.decisions.stream_rules import StreamRules
from workers.items import AudioAnalysed, FrameAnswer, FramesDropped, SegmentEnd, StreamItem, Transcript
from workers.sources.base import Source
from workers.stream.embedding import Embedder
from workers.types import AudioChunk, FrameBatch

FILE_IN_FLIGHT = 4  # batches of frames and voiced chunks that were requested and not yet yielded
STOP_S = 10.0  # how long a reader may take to stop


@dataclass(frozen=True, slots=True)
class _Speech:
    """A transcript was requested."""

    segment: int
    start_s: float


@dataclass(frozen=True, slots=True)
class _SourceEnd:
    """The source has ended, with ``error`` if it failed."""

    error: WatchwordError | None


Item = StreamItem | StreamRules
_Message = Item | _Speech | _SourceEnd


class Requests:
    """Iterating yields finished items, and raises the error of a request that failed for good.

    After the last item it raises the error with which the source failed, if it did.

    A live stream has one request for frames in flight, and nothing is read from its source meanwhile, which keeps the
    freshest frames. A file has ``FILE_IN_FLIGHT`` requests in flight. ``keep`` receives frames before they are sent.
    """

    def __init__(
        self,
        source: Source,
        live: bool,
        embedder: Embedder,
        analyser: AudioAnalyser | None,
        keep: Callable[[FrameBatch], None],
    ) -> None:
        self.waiting = False  # for a request, whose item is next in order
        self.embedder = embedder
        self._source, self._live, self._keep = source, live, keep
        self.analyser = analyser if embedder.transcribes else None  # may be exchanged between two chunks
        self._messages: queue.SimpleQueue[Future[_Message]] = queue.SimpleQueue()
        self._slots = threading.Semaphore(0 if live else FILE_IN_FLIGHT)
        self._audio_until: float | None = None  # stream seconds, of this segment
        self._speech: list[_Speech] = []  # not yet transcribed; the consumer's
        self._sent = self._taken = 0  # counted by the reader and by the consumer
        self._closed = False
        self._frames, self._transcripts = _Waiter("frames"), _Waiter("transcripts")
        self._reader = threading.Thread(target=self._read, name="read", daemon=True)

    def start(self) -> None:
        """Start to read."""
        self._reader.start()

    @property
    def reading(self) -> bool:
        """Return whether the source is being read."""
        return self._reader.is_alive()

    @property
    def depth(self) -> int:
        """Return how many requests were sent and not yet yielded."""
        return self._sent - self._taken

    def __iter__(self) -> Iterator[Item]:
        while True:
            message = self._next()
            if isinstance(message, _SourceEnd):
                if message.error is not None:
                    raise message.error
                return
            if isinstance(message, _Speech):
                self._speech.append(message)
                continue
            yield self._take(message)

    def exchange(self, rules: StreamRules) -> None:
        """Yield other rules behind what is finished now. From any thread."""
        self._messages.put(_done(rules))

    def close(self) -> None:
        """Stop reading, and waiting for responses; wait ``STOP_S`` at most."""
        self._source.stop()
        self._closed = True
        self._slots.release()
        for waiter in (self._frames, self._transcripts):
            waiter.close()
        if self._reader.ident is not None:
            self._reader.join(STOP_S)

    def _next(self) -> _Message:
        response = self._messages.get()
        self.waiting = not response.done()
        try:
            return response.result()
        finally:
            self.waiting = False

    def _take(self, item: Item) -> Item:
        """Account for an item that is about to be yielded, so that the next request may be sent."""
        if isinstance(item, AudioAnalysed):
            settled = [s.start_s for s in self._speech if s.segment == item.segment]
            return replace(item, settled_s=min([item.settled_s, *settled]))
        if isinstance(item, FrameAnswer | FramesDropped | Transcript):
            self._taken += 1
            if isinstance(item, Transcript):
                self._speech.remove(_Speech(item.segment, item.start_s))
            if not (self._live and isinstance(item, Transcript)):
                self._slots.release()
        return item

    # What follows runs in the reader's thread.

    def _read(self) -> None:
        error, segment = None, 0
        try:
            for item in self._source.items():
                if item.segment != segment:
                    self._end(segment)
                    segment = item.segment
                if isinstance(item, FrameBatch):
                    self._send_frames(item)
                elif isinstance(item, AudioChunk) and (analyser := self.analyser) is not None:
                    self._send_audio(analyser.add(item), item.segment, item.start_s, item.end_s)
            self._flush(segment)
        except WatchwordError as failure:
            error = failure
        except BaseException as failure:  # the death of a thread must be reported, or the consumer waits for ever
            error = WatchwordError(f"reading failed: {failure!r}")
            raise
        finally:
            self._put(SegmentEnd(segment))
            self._put(_SourceEnd(error))

    def _send_frames(self, batch: FrameBatch) -> None:
        if not self._live:
            self._await_slot()
        self._keep(batch)
        self._wait_for(self._frames, self.embedder.frames(batch))
        if self._live:
            self._await_slot()  # only then take the next frame, which is fresher than one taken now

    def _send_audio(self, audio: AnalysedAudio, segment: int, start_s: float, end_s: float) -> None:
        for chunk in audio.voiced:
            if not self._live:
                self._await_slot()
            finish = self.embedder.transcript(chunk)
            self._messages.put(_done(_Speech(chunk.segment, chunk.start_s)))
            self._wait_for(self._transcripts, finish)
        self._audio_until = end_s
        self._messages.put(_done(AudioAnalysed(segment, start_s, end_s, audio.settled_s, audio.tags)))

    def _flush(self, segment: int) -> None:
        if (analyser := self.analyser) is not None and self._audio_until is not None:
            self._send_audio(analyser.flush(), segment, self._audio_until, self._audio_until)
            self._audio_until = None

    def _end(self, segment: int) -> None:
        self._flush(segment)
        self._put(SegmentEnd(segment))

    def _wait_for(self, waiter: "_Waiter", finish: Callable[[], _Message]) -> None:
        self._sent += 1  # only now: what could not be sent is never yielded
        self._deliver(waiter.submit(finish))

    def _put(self, message: SegmentEnd | _SourceEnd) -> None:
        """Deliver behind all requests of the past: frames of a live stream have been yielded, transcripts may not."""
        self._deliver(self._transcripts.submit(lambda: message))

    def _deliver(self, response: "Future[_Message]") -> None:
        if self._live:
            response.add_done_callback(self._messages.put)
        else:
            self._messages.put(response)

    def _await_slot(self) -> None:
        self._slots.acquire()
        if self._closed:
            self._slots.release()  # for the next time


class _Waiter:
    """Runs functions that wait for responses, one after the other, in a thread that nobody has to wait for."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], _Message], Future[_Message]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._closed = False

    def submit(self, function: Callable[[], _Message]) -> "Future[_Message]":
        """Run a function behind the others; return the Future of its result."""
        response: Future[_Message] = Future()
        self._work.put((function, response))
        if self._thread.ident is None:
            self._thread.start()
        return response

    def close(self) -> None:
        """End the thread once the function in work has returned; the others are not run."""
        self._closed = True
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None and not self._closed:
            function, response = work
            try:
                response.set_result(function())
            except Exception as error:  # boundary: the error belongs to whoever iterates
                response.set_exception(error)
            del work, function, response  # or their frames would live until the next request


def _done(message: _Message) -> "Future[_Message]":
    response: Future[_Message] = Future()
    response.set_result(message)
    return response
