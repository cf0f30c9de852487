"""The reader's half of a stream: takes items from the source and asks for their features."""

import queue
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass

from alignment.errors import WatchwordError
from alignment.types import F32
from workers.clock import Clock
from workers.evidence import EvidenceStore
from workers.listening import Heard, Listener
from workers.services import EncoderClient, SpeechClient, require_answer
from workers.sources.base import Source
from workers.types import AudioChunk, FrameBatch, SoundTags, Utterance, VoicedChunk

LOOK_S = 1.0
FILE_IN_FLIGHT = 4  # batches of frames and voiced chunks asked for and not yet taken


@dataclass(frozen=True, slots=True)
class Seen:
    """Frames whose features were asked for."""

    batch: FrameBatch
    answer: "Future[F32]"
    asked: float


@dataclass(frozen=True, slots=True)
class Said:
    """A voiced chunk whose transcript was asked for."""

    chunk: VoicedChunk
    answer: "Future[tuple[Utterance, ...]]"
    asked: float


@dataclass(frozen=True, slots=True)
class Listened:
    """Sound that was analysed; no later voiced chunk starts before ``settled_s``."""

    epoch: int
    start_s: float
    end_s: float
    settled_s: float
    tags: SoundTags | None


@dataclass(frozen=True, slots=True)
class Over:
    """No more is asked for in this epoch; ``last``: the source has ended, with ``error`` if it failed."""

    epoch: int
    last: bool = False
    error: WatchwordError | None = None


Answer = Seen | Said | Listened | Over


class Ledger:
    """What was asked for and not yet taken, by epoch; shared by the two threads of a stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[int] = Counter()
        self._speaking: dict[int, list[float]] = {}

    def ask(self, epoch: int, speech_start_s: float | None = None) -> None:
        """Note a question; ``speech_start_s`` where it is about a voiced chunk."""
        with self._lock:
            self._open[epoch] += 1
            if speech_start_s is not None:
                self._speaking.setdefault(epoch, []).append(speech_start_s)

    def take(self, epoch: int, speech_start_s: float | None = None) -> None:
        """Note an answer."""
        with self._lock:
            self._open[epoch] -= 1
            if not self._open[epoch]:
                del self._open[epoch]
            if speech_start_s is not None:
                self._speaking[epoch].remove(speech_start_s)

    def pending(self, epoch: int | None = None) -> int:
        """Return the number of open questions of one epoch, or of all."""
        with self._lock:
            return self._open.total() if epoch is None else self._open.get(epoch, 0)

    def transcribed_until(self, epoch: int) -> float:
        """Return the stream second before which no voiced chunk waits for its transcript."""
        with self._lock:
            return min(self._speaking.get(epoch, []), default=float("inf"))


class Reader:
    """Asks for the features of everything a source yields; the answers come out of ``next``.

    A file's answers come in the order of asking, a live stream's when they are there. One request for frames at a time
    is a live stream's backpressure: nothing is taken from the source meanwhile, which keeps the freshest. ``error`` of
    the last ``Over`` tells why the source failed.
    """

    def __init__(
        self,
        source: Source,
        live: bool,
        encoder: EncoderClient,
        speech: SpeechClient | None,
        listener: Listener | None,
        evidence: EvidenceStore,
        clock: Clock,
    ) -> None:
        self.ledger = Ledger()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._waiting: Seen | None = None  # a live stream's frames, for whose answer it waits
        self._source, self._live, self._encoder = source, live, encoder
        self._speech, self._listener, self._evidence, self._clock = speech, listener, evidence, clock
        self._heard_until: float | None = None  # stream seconds, of this epoch
        self._slots = threading.Semaphore(0 if live else FILE_IN_FLIGHT)
        self._abandoned = False

    def next(self) -> Answer:
        """Wait for an answer; raise ``ServiceSilent`` where that to a live stream's frames does not come."""
        while True:
            try:
                return self._answers.get(timeout=LOOK_S)
            except queue.Empty:
                if (frames := self._waiting) is not None:
                    require_answer(frames.answer, self._clock.monotonic() - frames.asked, "encoder")

    def taken(self, item: Seen | Said) -> None:
        """Say that an answer was taken, so that the next may be asked for."""
        if isinstance(item, Seen):
            self.ledger.take(item.batch.epoch)
            self._slots.release()
        else:
            self.ledger.take(item.chunk.epoch, item.chunk.start_s)
            if not self._live:
                self._slots.release()

    def abandon(self) -> None:
        """Free a reader that waits for answers which nobody will take."""
        self._abandoned = True
        self._slots.release()

    def _await_slot(self) -> None:
        self._slots.acquire()
        if self._abandoned:
            self._slots.release()  # for the next time

    def run(self) -> None:
        """Read to the end of the source."""
        error, epoch = None, 0
        try:
            for item in self._source.items():
                if item.epoch != epoch:
                    self._flush(epoch)
                    self._answers.put(Over(epoch))
                    epoch = item.epoch
                if isinstance(item, FrameBatch):
                    self._look(item)
                elif isinstance(item, AudioChunk):
                    self._listen(item)
            self._flush(epoch)
        except WatchwordError as failure:
            error = failure
        except BaseException as failure:  # a thread's death must be told, or the other half waits for ever
            error = WatchwordError(f"reading failed: {failure!r}", "this is a bug: please report it")
            raise
        finally:
            self._answers.put(Over(epoch, True, error))

    def _look(self, batch: FrameBatch) -> None:
        if not self._live:
            self._await_slot()
        self._evidence.keep(batch)
        asked = Seen(batch, self._encoder.encode_frames(batch.frames), self._clock.monotonic())
        self.ledger.ask(batch.epoch)  # only now: what could not be asked is never answered
        self._put(asked)
        if self._live:
            self._waiting = asked
            self._await_slot()  # only then take the next, which is fresher than one taken now
            self._waiting = None

    def _listen(self, chunk: AudioChunk) -> None:
        if self._listener is not None:
            self._tell(self._listener.hear(chunk), chunk.epoch, chunk.start_s, chunk.end_s)

    def _flush(self, epoch: int) -> None:
        if self._listener is not None and self._heard_until is not None:
            self._tell(self._listener.flush(), epoch, self._heard_until, self._heard_until)
            self._heard_until = None

    def _tell(self, heard: Heard, epoch: int, start_s: float, end_s: float) -> None:
        self._heard_until = end_s
        self._transcribe(heard.voiced)
        self._answers.put(Listened(epoch, start_s, end_s, heard.settled_s, heard.tags))

    def _transcribe(self, chunks: list[VoicedChunk]) -> None:
        for chunk in chunks if self._speech is not None else ():
            if not self._live:
                self._await_slot()
            assert self._speech is not None
            asked = Said(chunk, self._speech.submit(chunk, wait=not self._live), self._clock.monotonic())
            self.ledger.ask(chunk.epoch, chunk.start_s)
            self._put(asked)

    def _put(self, item: Seen | Said) -> None:
        if self._live:
            item.answer.add_done_callback(lambda _: self._answers.put(item))
        else:
            self._answers.put(item)
