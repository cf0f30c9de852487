"""Feature extraction from files: features for training, and features with scores for ``eval``.

    with Extractor(offline_settings(config, profile)) as extractor:  # loads the models: seconds
        extractor.description           # EncoderDescription: info.id, dims, calibration
        extractor.queries(specs)        # descriptions as EventQuery, in the same spaces
        for item in extractor.extract(files, cache_folder, progress):  # in order; progress as in ``FileProgress``
            item.path, item.features, item.error  # a FeatureFile, or the error

The files go through the daemon's own pipeline, so the features are those that it decides on.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np

from alignment.aligners.base import Aligner
from alignment.errors import FeatureError, WatchwordError
from alignment.search.feature_file import FeatureFile, load_features, save_features
from alignment.search.recorder import Recorder, Recording, Silence
from alignment.summary.tags import Panel
from alignment.types import F32, MODALITIES, EventQuery
from daemon.offline.live_order import LiveOrder
from daemon.offline.pictures import load_picture
from daemon.offline.runner import FPS, FileResult, OfflineSettings, service_settings, tag_file
from daemon.runtime.base import StreamHandle
from daemon.runtime.local import LocalRuntime, LocalStream
from workers.events.event import Event
from workers.services.clients import EncoderDescription, SpeechClient
from workers.services.proxies import SinkProxy
from workers.sources.base import SourceBuilder
from workers.stream.worker import StreamWorker
from workers.types import CameraSpec, EventSpec, Receipt, Utterance, VoicedChunk

OnProgress = Callable[[Path, float, float | None], None]

# An event in all modalities, so that all of them are analysed; no event is decided.
EVERYTHING = (EventSpec("everything", ("someone is speaking",), modalities=MODALITIES),)


@dataclass(frozen=True, slots=True)
class Extracted:
    """The features of one file, or an error."""

    path: Path
    features: FeatureFile | None
    error: WatchwordError | None = None


class Extractor:
    """Extracts features with the services of this process; a context manager, for one thread."""

    def __init__(self, settings: OfflineSettings) -> None:
        self._settings = settings
        self._services = service_settings(settings)
        self._runtime = _RecordingRuntime(self._services)

    def __enter__(self) -> "Extractor":
        self.description: EncoderDescription = self._runtime.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runtime.stop()

    def queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions."""
        return self._runtime.queries(specs)

    def panel(self) -> Panel:
        """Return the names that the encoder knows; none where it knows no names."""
        return self._runtime.panel()

    def embed_pictures(self, paths: Sequence[Path]) -> F32:
        """Embed image files as f32[N, D], in the frame space; raise ``SourceInvalid`` if a file is not an image."""
        spec = self.description.frame_spec
        rows = [self._runtime.frames(load_picture(path, spec)[None]) for path in paths]
        return np.concatenate([np.zeros((0, self.description.dims[0]), np.float32), *rows])

    def watch(
        self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress
    ) -> tuple[FileResult, Recording | None]:
        """Tag a file and record the features; no recording if it has neither frames nor audio."""
        self._runtime.tap = lambda aligner: aligner
        return self._watch(path, events, on_progress)

    def extract(self, files: Sequence[Path], cache: Path, on_progress: OnProgress) -> Iterator[Extracted]:
        """Yield the features of each file, in order; ``cache`` stores them by content and settings.

        A damaged cache file is written again. A file that cannot be read does not affect the others.
        """
        for path in files:
            try:
                yield Extracted(path, self._features(path, cache, on_progress))
            except WatchwordError as error:
                yield Extracted(path, None, error)

    def _features(self, path: Path, cache: Path, on_progress: OnProgress) -> FeatureFile:
        kept = cache / f"{self._key(path)}.safetensors"
        if kept.is_file():
            try:
                return replace(load_features(kept), video=path.stem)
            except FeatureError:
                kept.unlink(missing_ok=True)
        self._runtime.tap = lambda aligner: Silence()
        result, recording = self._watch(path, EVERYTHING, on_progress)
        if result.error is not None:
            raise result.error
        if recording is None:
            raise FeatureError(f"{path}: it has neither frames nor audio", "leave this file out")
        save_features(kept, recording.features)
        return recording.features

    def _watch(
        self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress
    ) -> tuple[FileResult, Recording | None]:
        result = tag_file(self._runtime, path, events, self._settings, on_progress)
        recorder, said = self._runtime.recorder, self._runtime.said()
        window = recorder.window() if recorder else None
        if recorder is None or window is None:
            return result, None
        texts = tuple(said[(float(start), float(end))].text for start, end in window.speech_t)
        features = FeatureFile(path.stem, window, texts, self.description.info.id, 1 / FPS, result.duration_s)
        queries = {q.event: q for q in recorder.queries}
        return result, Recording(features, queries, recorder.scores(), self._runtime.alerts)

    def _key(self, path: Path) -> str:
        """Return a digest of the file's content and of all settings that its features depend on."""
        speech = self._services.speech if self._runtime.listens else None
        seen = f"{FPS} {self._settings.blur_faces}"
        made_with = f"{self.description.info.id} {seen} {speech}".encode() + self._fingerprint
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise FeatureError(f"cannot read {path}: {error.strerror or error}", "check name and rights") from error
        return hashlib.sha256(content + made_with).hexdigest()[:32]

    @cached_property
    def _fingerprint(self) -> bytes:
        """Return the encoder's output for a test image, which changes with its code; the model id does not."""
        width, height = self.description.frame_spec.typical
        noise = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
        return np.rint(self._runtime.frames(noise) * 100).astype(np.int32).tobytes()


class _RecordingRuntime(LocalRuntime):
    """A local runtime that records its latest stream. ``tap`` returns the deciding aligner, given the configured."""

    tap: Callable[[Aligner], Aligner]
    recorder: Recorder | None = None
    alerts: dict[str, float]

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Start a stream with a new recorder."""
        self.recorder, self.alerts, self._responses = None, {}, list[Future[tuple[Utterance, ...]]]()
        speech = _RecordingSpeech(self._shared.speech, self._responses) if self._shared.speech else None
        sink = _RecordingSink(self._sink.transport, self._first_published)
        shared = self._services_of(camera, events)
        services = replace(shared, speech=speech, sink=sink, build_source=self._live_order(shared.build_source))
        return LocalStream(StreamWorker(camera, events, self._settings, services, tap=self._record))

    @property
    def listens(self) -> bool:
        """Return whether speech is transcribed."""
        return self._transcriber is not None

    def queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions, with the encoder's vocabulary of names."""
        return tuple(replace(q, vocabulary=self._models.vocabulary) for q in self._encoder.build_queries(specs))

    def frames(self, frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> F32:
        """Embed RGB frames u8[N, H, W, 3]."""
        return self._encoder.encode_frames(frames).result()

    def said(self) -> dict[tuple[float, float], Utterance]:
        """Return the utterances of the latest stream, which has ended, by (start, end)."""
        done = [a for a in self._responses if a.done() and not a.cancelled() and a.exception() is None]
        return {(u.start_s, u.end_s): u for answer in done for u in answer.result()}

    @staticmethod
    def _live_order(build: SourceBuilder) -> SourceBuilder:
        return lambda camera, spec, clock: LiveOrder(build(camera, spec, clock))

    def _first_published(self, event: Event) -> None:
        assert self.recorder is not None
        self.alerts.setdefault(event.id, self.recorder.reached_s)

    def _record(self, aligner: Aligner) -> Recorder:
        self.recorder = Recorder(self.tap(aligner))
        return self.recorder


@dataclass(frozen=True, slots=True)
class _RecordingSink(SinkProxy):
    """A sink that reports every event before it is published, in the thread that decides."""

    report: Callable[[Event], None]

    def publish(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Report and publish events."""
        for event in events:
            self.report(event)
        return SinkProxy.publish(self, events)


@dataclass(frozen=True, slots=True)
class _RecordingSpeech:
    """A ``SpeechClient`` that records its results."""

    client: SpeechClient
    answers: "list[Future[tuple[Utterance, ...]]]"

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        """Request a transcript."""
        self.answers.append(self.client.submit(chunk, wait))
        return self.answers[-1]
