"""Requests of one stream to the encoder and the transcriber: sent, waited for, repeated and counted."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial

import numpy as np
import structlog

from alignment.errors import WatchwordError
from alignment.types import F32, Detections
from workers.areas import standing_in
from workers.clock import Clock
from workers.errors import Overloaded, ServiceLost, ServiceUnresponsive
from workers.items import FrameAnswer, FramesDropped, Transcript, ZoneAnswer
from workers.services.clients import DetectorClient, EncoderClient, SpeechClient, result_of
from workers.telemetry import Histogram
from workers.types import Areas, FrameBatch, Utterance, VoicedChunk

TRIES = 5
NO_FEATURES: F32 = np.zeros((0, 0), np.float32)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class View:
    """Who is asked what of a frame: its features and those of its ``zones``, and objects where there is a detector."""

    encoder: EncoderClient
    detector: DetectorClient | None = None
    zones: tuple[Areas, ...] = ()


class Embedder:
    """Requests features. Each request returns at once with a function that waits for the response.

    Where a service was lost with a request, the request is repeated. A live stream does without what cannot be had;
    a file fails. Frames and transcripts may be waited for in two threads; any thread may read the counts.
    """

    def __init__(
        self,
        camera: str,
        live: bool,
        encoder: EncoderClient,
        speech: SpeechClient | None,
        clock: Clock,
        detector: DetectorClient | None = None,
        zones: tuple[Areas, ...] = (),
    ) -> None:
        self._camera, self._live, self._clock, self._speech = camera, live, clock, speech
        self.view = View(encoder, detector, zones)  # may be exchanged by another thread; a request keeps its own
        self.seconds = {"encode": Histogram(), "speech": Histogram()}  # from request to response
        # Frames that the encoder could not embed, had no time for, or embedded as NaN (absent to every aligner)
        self.lost = Counter(encoder_failed=0, overload=0, not_finite=0)

    def frames(self, batch: FrameBatch) -> Callable[[], FrameAnswer | FramesDropped]:
        """Request the features of frames."""
        sent, view = self._clock.monotonic(), self.view
        return partial(self._await_frames, batch, view, _encode(view, batch), _detect(view, batch), sent)

    def transcript(self, chunk: VoicedChunk) -> Callable[[], Transcript]:
        """Request what is said in a chunk. Of a file, block until the transcriber has room for it."""
        assert self._speech is not None
        sent = self._clock.monotonic()
        return partial(self._await_transcript, chunk, self._speech.submit(chunk, wait=not self._live), sent)

    @property
    def transcribes(self) -> bool:
        """Whether there is a transcriber."""
        return self._speech is not None

    def _await_frames(
        self, batch: FrameBatch, view: View, response: "Future[F32]", found: "Future[Detections] | None", sent: float
    ) -> FrameAnswer | FramesDropped:
        detector = view.detector
        try:
            rows = self._await(response, lambda: _encode(view, batch))
            objects = self._await(found, lambda: detector.detect(batch.frames)) if found and detector else None
        except Overloaded:  # raised for live streams only
            self.lost["overload"] += len(batch.frames)
            return FramesDropped(batch.segment, float(batch.pts_s[0]), overload=True)
        except WatchwordError as error:
            if not self._live or isinstance(error, ServiceUnresponsive):
                raise
            self.lost["encoder_failed"] += len(batch.frames)
            log.warning("frames lost", camera=self._camera, code=error.code, error=str(error))
            return FramesDropped(batch.segment, float(batch.pts_s[0]), overload=False)
        finally:
            self.seconds["encode"].observe(self._clock.monotonic() - sent)
        features, *in_zones = rows.reshape(len(batch.frames), 1 + len(view.zones), -1).swapaxes(0, 1)
        self.lost["not_finite"] += int((~np.isfinite(features).all(axis=1)).sum())
        zones = tuple(
            ZoneAnswer(seen, None if objects is None else standing_in(objects, areas), areas)
            for seen, areas in zip(in_zones, view.zones, strict=True)
        )
        return FrameAnswer(batch.segment, batch.pts_s, features, objects, zones)

    def _await_transcript(
        self, chunk: VoicedChunk, response: "Future[tuple[Utterance, ...]]", sent: float
    ) -> Transcript:
        utterances = self._await_utterances(response)
        self.seconds["speech"].observe(self._clock.monotonic() - sent)
        features, texts = NO_FEATURES, [u.text for u in utterances]
        if texts:
            encoder = self.view.encoder
            features = self._await(encoder.encode_sentences(texts), lambda: encoder.encode_sentences(texts))
        return Transcript(chunk.segment, chunk.start_s, utterances, features)

    def _await_utterances(self, response: "Future[tuple[Utterance, ...]]") -> tuple[Utterance, ...]:
        try:
            return result_of(response, "transcriber")
        except CancelledError:
            raise ServiceLost("the transcriber was closed") from None
        except Exception as error:  # boundary: whatever the recogniser raised; frames of a camera go on without speech
            if not self._live or isinstance(error, ServiceLost):
                raise
            log.warning("speech lost", camera=self._camera, error=repr(error))
            return ()

    def _await(self, response: "Future[F32]", repeat: Callable[[], "Future[F32]"]) -> F32:
        """Return the encoder's response; repeat the request where the encoder was lost with it."""
        for attempt in range(TRIES - 1):
            try:
                return result_of(response, "encoder")
            except WatchwordError as error:
                if not error.retryable or isinstance(error, ServiceUnresponsive):
                    raise
            self._clock.sleep(0.5 * 2**attempt)
            response = repeat()
        return result_of(response, "encoder")


def _encode(view: View, batch: FrameBatch) -> "Future[F32]":
    if view.zones:
        return view.encoder.encode_zones(batch.frames, view.zones)
    return view.encoder.encode_frames(batch.frames)


def _detect(view: View, batch: FrameBatch) -> "Future[Detections] | None":
    return view.detector.detect(batch.frames) if view.detector else None
