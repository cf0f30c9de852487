"""Requests yield finished items: a file's in order, a live stream's as they finish."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

import numpy as np
import pytest

from alignment.types import F32
from tests.support.clocks import FakeClock, wait_until
from tests.support.streams.pipelines import ColourEncoder, done
from workers.audio.analyser import AnalysedAudio
from workers.errors import ModelUnavailable, Overloaded, ServiceDied, ServiceLost, SourceTimeout
from workers.items import AudioAnalysed, FrameAnswer, FramesDropped, SegmentEnd, Transcript
from workers.stream.embedding import Embedder
from workers.stream.requests import FILE_IN_FLIGHT, Item, Requests
from workers.types import U8, AudioChunk, FrameBatch, SourceItem, Utterance, VoicedChunk


def frames(t: float, segment: int = 0) -> FrameBatch:
    return FrameBatch("cam", segment, np.array([t]), np.array([t]), np.full((1, 8, 8, 3), int(t), np.uint8))


def audio(start_s: float, segment: int = 0) -> AudioChunk:
    return AudioChunk("cam", segment, start_s, np.zeros(16000, np.float32))


class Script:
    """A source that yields what it is given, one item after the other; an error ends it."""

    def __init__(self, items: Sequence[SourceItem], error: Exception | None = None) -> None:
        self._items, self._error = items, error

    def items(self) -> Iterator[SourceItem]:
        yield from self._items
        if self._error:
            raise self._error

    def stop(self) -> None:
        pass


class Voices:
    """Takes every chunk of audio for speech."""

    def add(self, chunk: AudioChunk) -> AnalysedAudio:
        return AnalysedAudio([VoicedChunk("cam", chunk.segment, chunk.start_s, chunk.samples)], None, chunk.end_s)

    def flush(self) -> AnalysedAudio:
        return AnalysedAudio([], None, float("inf"))


class Manual(ColourEncoder):
    """An encoder and a transcriber whose responses come when the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Future[F32]] = []
        self.sentences: list[Future[F32]] = []
        self.speech: list[Future[tuple[Utterance, ...]]] = []

    def encode_frames(self, frames: U8) -> "Future[F32]":
        self.frames.append(Future())
        return self.frames[-1]

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        self.sentences.append(Future())
        return self.sentences[-1]

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        self.speech.append(Future())
        return self.speech[-1]


class Consumer:
    """Takes items as they are yielded, in a thread of its own."""

    def __init__(self, source: Script, live: bool, services: Manual, clock: FakeClock | None = None) -> None:
        embedder = Embedder("cam", live, services, services, clock or FakeClock())
        self.requests = Requests(source, live, embedder, Voices(), lambda _: None)  # type: ignore[arg-type]
        self.error: Exception | None = None
        self._items: SimpleQueue[Item | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.requests.start()
        self._thread.start()

    def _run(self) -> None:
        try:
            for item in self.requests:
                self._items.put(item)
        except Exception as error:
            self.error = error
        self._items.put(None)

    def next(self) -> Item | None:
        return self._items.get(timeout=20)

    def nothing(self) -> bool:
        try:
            self._items.get(timeout=0.2)
        except Empty:
            return True
        return False


HELP = (Utterance(0.0, 1.0, "help", 0.9, "en"),)
ROW = np.ones((1, 3), np.float32)


def kinds(consumer: Consumer) -> list[tuple[type, float | None]]:
    found = []
    while (item := consumer.next()) is not None:
        found.append((type(item), getattr(item, "start_s", None)))
    return found


def test_the_items_of_a_file_come_in_the_order_of_the_requests() -> None:
    services = Manual()
    consumer = Consumer(Script([frames(0), audio(0.5), frames(1), frames(2)]), False, services)
    wait_until(lambda: len(services.frames) == 3 and len(services.speech) == 1)
    for response in reversed(services.frames):
        response.set_result(ROW)
    assert isinstance(consumer.next(), FrameAnswer)
    assert consumer.nothing(), "the transcript is next"
    services.speech[0].set_result(HELP)
    wait_until(lambda: bool(services.sentences))
    services.sentences[0].set_result(ROW)
    found = kinds(consumer)
    assert found == [
        (Transcript, 0.5),
        (AudioAnalysed, 0.5),
        (FrameAnswer, 1.0),
        (FrameAnswer, 2.0),
        (AudioAnalysed, 1.5),
        (SegmentEnd, None),
    ]


def test_sentences_are_embedded_while_earlier_items_are_waited_for() -> None:
    services = Manual()
    consumer = Consumer(Script([frames(0), audio(0.5)]), False, services)
    wait_until(lambda: bool(services.speech))
    services.speech[0].set_result(HELP)
    wait_until(lambda: bool(services.sentences))  # though the frames before are not embedded
    assert consumer.nothing()
    services.sentences[0].set_result(ROW)
    services.frames[0].set_result(ROW)
    assert [kind for kind, _ in kinds(consumer)][:2] == [FrameAnswer, Transcript]


def test_a_file_has_so_many_requests_in_flight() -> None:
    services = Manual()
    consumer = Consumer(Script([frames(t) for t in range(9)]), False, services)
    wait_until(lambda: len(services.frames) == FILE_IN_FLIGHT)
    assert consumer.nothing()
    assert (len(services.frames), consumer.requests.depth) == (FILE_IN_FLIGHT, FILE_IN_FLIGHT)
    services.frames[1].set_result(ROW)  # not the first: nothing is yielded
    assert consumer.nothing()
    assert len(services.frames) == FILE_IN_FLIGHT
    services.frames[0].set_result(ROW)
    wait_until(lambda: len(services.frames) == FILE_IN_FLIGHT + 2)


def test_live_frames_go_on_while_speech_is_transcribed_and_embedded() -> None:
    services = Manual()
    consumer = Consumer(Script([audio(10.0), frames(12), frames(13)]), True, services)
    analysed = consumer.next()
    assert isinstance(analysed, AudioAnalysed)
    assert (analysed.end_s, analysed.settled_s) == (11.0, 10.0), "the speech of 10.0 s is not transcribed"
    wait_until(lambda: len(services.frames) == 1)
    assert consumer.nothing()
    assert len(services.frames) == 1, "one request for frames in flight"
    services.frames[0].set_result(ROW)
    assert isinstance(consumer.next(), FrameAnswer)
    services.speech[0].set_result(HELP)
    wait_until(lambda: len(services.frames) == 2 and len(services.sentences) == 1)
    services.frames[1].set_result(ROW)
    assert isinstance(consumer.next(), FrameAnswer)
    flushed = consumer.next()
    assert isinstance(flushed, AudioAnalysed)
    assert flushed.settled_s == 10.0, "nor embedded"
    assert consumer.nothing(), "the segment waits for its transcript"
    services.sentences[0].set_result(ROW)
    transcript = consumer.next()
    assert isinstance(transcript, Transcript)
    assert (transcript.utterances, transcript.features.shape) == (HELP, (1, 3))
    assert (consumer.next(), consumer.next()) == (SegmentEnd(0), None)


def test_a_transcribed_chunk_no_longer_holds_decisions_back() -> None:
    services = Manual()
    consumer = Consumer(Script([audio(10.0), frames(11), audio(11.0)]), True, services)
    assert isinstance(consumer.next(), AudioAnalysed)
    wait_until(lambda: len(services.speech) == 1 and len(services.frames) == 1)
    services.speech[0].set_result(())  # nothing was said
    assert isinstance(consumer.next(), Transcript)
    services.frames[0].set_result(ROW)
    assert isinstance(consumer.next(), FrameAnswer)
    later = consumer.next()
    assert isinstance(later, AudioAnalysed)
    assert later.settled_s == 11.0
    assert not services.sentences


def test_a_segment_ends_behind_its_transcripts_and_not_behind_those_of_the_next() -> None:
    services = Manual()
    consumer = Consumer(Script([audio(0.0), audio(100.0, segment=1)]), True, services)
    wait_until(lambda: len(services.speech) == 2)
    services.speech[0].set_result(())
    found = [item for item in (consumer.next() for _ in range(6)) if not isinstance(item, AudioAnalysed)]
    assert [type(item) for item in found] == [Transcript, SegmentEnd]
    services.speech[1].set_result(())
    assert kinds(consumer)[-2:] == [(Transcript, 100.0), (SegmentEnd, None)]


class Dying(ColourEncoder):
    """An encoder that dies with the first two requests for sentences."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences = 0

    def encode_sentences(self, texts: Sequence[str]) -> "Future[F32]":
        self.sentences += 1
        response: Future[F32] = Future()
        if self.sentences > 2:
            return done(np.full((len(texts), 3), 0.5, np.float32))
        response.set_exception(ServiceDied("an actor died"))
        return response

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        response: Future[tuple[Utterance, ...]] = Future()
        response.set_result(HELP)
        return response


@pytest.mark.parametrize("live", [False, True])
def test_sentences_that_were_lost_with_the_encoder_are_sent_again(live: bool) -> None:
    services, clock = Dying(), FakeClock()
    consumer = Consumer(Script([audio(0.0)]), live, services, clock)  # type: ignore[arg-type]
    items = [consumer.next() for _ in range(4)]
    (transcript,) = [item for item in items if isinstance(item, Transcript)]
    np.testing.assert_array_equal(transcript.features, [[0.5, 0.5, 0.5]])
    assert (services.sentences, clock.now) == (3, 1000.0 + 0.5 + 1.0)


def test_frames_that_a_live_stream_loses_are_counted_and_yielded_as_dropped() -> None:
    services = Manual()
    consumer = Consumer(Script([frames(5)]), True, services)
    wait_until(lambda: bool(services.frames))
    services.frames[0].set_exception(ModelUnavailable("the encoder is broken"))
    assert consumer.next() == FramesDropped(0, 5.0, overload=False)
    assert consumer.requests.embedder.lost == Counter(encoder_failed=1)
    assert (consumer.next(), consumer.next()) == (SegmentEnd(0), None)


def test_the_error_of_the_source_comes_behind_what_it_gave() -> None:
    services = Manual()
    consumer = Consumer(Script([frames(0)], SourceTimeout("gone")), False, services)
    wait_until(lambda: bool(services.frames))
    services.frames[0].set_result(ROW)
    assert [kind for kind, _ in kinds(consumer)] == [FrameAnswer, SegmentEnd]
    assert isinstance(consumer.error, SourceTimeout)


class Finder:
    """A detector whose responses come when the test sets them."""

    def __init__(self) -> None:
        self.found: list[Future[F32]] = []

    def detect(self, frames: U8) -> "Future[F32]":
        self.found.append(Future())
        return self.found[-1]


def frames_of(finder: Finder, live: bool) -> tuple[Manual, Callable[[], FrameAnswer | FramesDropped]]:
    services = Manual()
    embedder = Embedder("cam", live, services, services, FakeClock(), finder)
    batch = FrameBatch("cam", 0, np.array([1.0]), np.array([1.0]), np.zeros((1, 4, 4, 3), np.uint8))
    return services, embedder.frames(batch)


def test_frames_come_with_their_objects() -> None:
    finder = Finder()
    services, answer = frames_of(finder, live=True)
    services.frames[0].set_result(ROW)
    finder.found[0].set_result(np.ones((1, 2, 6), np.float32))
    found = answer()
    assert isinstance(found, FrameAnswer)
    assert found.detections is not None
    assert found.detections.shape == (1, 2, 6)


def test_a_live_frame_whose_objects_cannot_be_had_is_dropped() -> None:
    finder = Finder()
    services, answer = frames_of(finder, live=True)
    services.frames[0].set_result(ROW)
    finder.found[0].set_exception(Overloaded("too much"))
    assert answer() == FramesDropped(0, 1.0, overload=True)


def test_a_file_waits_for_objects_of_a_detector_that_was_lost() -> None:
    finder = Finder()
    services, answer = frames_of(finder, live=False)
    services.frames[0].set_result(ROW)
    finder.found[0].set_exception(ServiceLost("gone"))

    def respond(frames: U8) -> "Future[F32]":
        done: Future[F32] = Future()
        done.set_result(np.zeros((1, 2, 6), np.float32))
        return done

    finder.detect = respond  # type: ignore[method-assign]
    found = answer()
    assert isinstance(found, FrameAnswer)
    assert found.detections is not None
