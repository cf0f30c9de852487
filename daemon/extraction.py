"""What the daemon sees, hears and reads in files, kept: features for training, and with their scores for ``eval``.

    with Extractor(offline_settings(config, profile)) as extractor:  # loads the models: seconds
        extractor.description           # EncoderDescription: info.id, dims, calibration
        extractor.queries(specs)        # descriptions as EventQuery, in the same spaces
        for item in extractor.extract(files, cache_folder, progress):  # in order; progress as of ``FileProgress``
            item.path, item.features, item.error  # a FeatureFile, or why there is none

The files go through the daemon's own pipeline, so features are those that it decides on.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np

from alignment.aligner import Aligner
from alignment.errors import FeatureError, WatchwordError
from alignment.features import FeatureFile, load_features, save_features
from alignment.recording import Recorder, Recording, Silence
from alignment.types import F32, MODALITIES, EventQuery
from daemon.local_runtime import LocalRuntime, LocalStream
from daemon.offline import FileResult, OfflineSettings, service_settings, tag_file
from daemon.pictures import load_picture
from daemon.runtime import StreamHandle
from workers.services import EncoderDescription, SpeechClient
from workers.stream_worker import StreamWorker
from workers.types import CameraSpec, EventSpec, Utterance, VoicedChunk

OnProgress = Callable[[Path, float, float | None], None]

# Asks for everything, so that everything is listened to; nothing is decided.
EVERYTHING = (EventSpec("everything", ("someone is speaking",), modalities=MODALITIES),)


@dataclass(frozen=True, slots=True)
class Extracted:
    """The features of one file, or an error."""

    path: Path
    features: FeatureFile | None
    error: WatchwordError | None = None


class Extractor:
    """The services of one process and what passes through them; a context manager, for one thread."""

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

    def embed_pictures(self, paths: Sequence[Path]) -> F32:
        """Embed image files as f32[N, D], in the frame space; raise ``SourceInvalid`` for one that is none."""
        spec = self.description.frame_spec
        rows = [self._runtime.frames(load_picture(path, spec)[None]) for path in paths]
        return np.concatenate([np.zeros((0, self.description.dims[0]), np.float32), *rows])

    def watch(
        self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress
    ) -> tuple[FileResult, Recording | None]:
        """Tag a file and keep what it was decided on; no recording where nothing was seen or heard."""
        self._runtime.tap = lambda aligner: aligner
        return self._watch(path, events, on_progress)

    def extract(self, files: Sequence[Path], cache: Path, on_progress: OnProgress) -> Iterator[Extracted]:
        """Yield the features of each file, in order; ``cache`` keeps them by content and all they depend on.

        A cached file that is damaged is made anew. A file that cannot be read costs only itself.
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
            raise FeatureError(f"{path}: there is nothing to see or hear in it", "leave this file out")
        save_features(kept, recording.features)
        return recording.features

    def _watch(
        self, path: Path, events: tuple[EventSpec, ...], on_progress: OnProgress
    ) -> tuple[FileResult, Recording | None]:
        fps = self._settings.fps
        result = tag_file(self._runtime, path, events, self._settings, on_progress)
        recorder, said = self._runtime.recorder, self._runtime.said()
        window = recorder.window() if recorder else None
        if recorder is None or window is None:
            return result, None
        texts = tuple(said[(float(start), float(end))].text for start, end in window.speech_t)
        features = FeatureFile(path.stem, window, texts, self.description.info.id, 1 / fps, result.duration_s)
        return result, Recording(features, {q.event: q for q in recorder.queries}, recorder.scores())

    def _key(self, path: Path) -> str:
        """Return what changes with the file's content, and with all that its features depend on."""
        speech = self._services.speech if self._runtime.listens else None
        seen = f"{self._settings.fps} {self._settings.blur_faces}"
        made_with = f"{self.description.info.id} {seen} {speech}".encode() + self._fingerprint
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise FeatureError(f"cannot read {path}: {error.strerror or error}", "check name and rights") from error
        return hashlib.sha256(content + made_with).hexdigest()[:32]

    @cached_property
    def _fingerprint(self) -> bytes:
        """Return what changes when the encoder answers differently to one picture: an id does not tell of our code."""
        spec = self.description.frame_spec
        noise = np.random.default_rng(0).integers(0, 256, (1, spec.height, spec.width, 3), np.uint8)
        return np.rint(self._runtime.frames(noise) * 100).astype(np.int32).tobytes()


class _RecordingRuntime(LocalRuntime):
    """A local runtime whose latest stream is recorded. ``tap``: who decides, given the aligner of the settings."""

    tap: Callable[[Aligner], Aligner]
    recorder: Recorder | None = None

    def start_stream(self, camera: CameraSpec, events: tuple[EventSpec, ...]) -> StreamHandle:
        """Begin to watch, with a new recorder."""
        self.recorder, self._answers = None, list[Future[tuple[Utterance, ...]]]()
        speech = _RecordingSpeech(self._speech, self._answers) if self._speech else None
        services = (self._encoder, speech, self._network, self._sink, self._decoders.build)
        return LocalStream(StreamWorker(camera, events, self._settings, *services, tap=self._record))

    @property
    def listens(self) -> bool:
        """Return whether speech is transcribed here."""
        return self._speech is not None

    def queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        """Embed descriptions."""
        return self._encoder.build_queries(specs)

    def frames(self, frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> F32:
        """Embed RGB frames u8[N, H, W, 3]."""
        return self._encoder.encode_frames(frames).result()

    def said(self) -> dict[tuple[float, float], Utterance]:
        """Return what was transcribed in the latest stream, which has ended, by start and end."""
        done = [a for a in self._answers if a.done() and not a.cancelled() and a.exception() is None]
        return {(u.start_s, u.end_s): u for answer in done for u in answer.result()}

    def _record(self, aligner: Aligner) -> Recorder:
        self.recorder = Recorder(self.tap(aligner))
        return self.recorder


@dataclass(frozen=True, slots=True)
class _RecordingSpeech:
    """A ``SpeechClient`` whose answers are kept."""

    client: SpeechClient
    answers: "list[Future[tuple[Utterance, ...]]]"

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        """Ask for a transcript."""
        self.answers.append(self.client.submit(chunk, wait))
        return self.answers[-1]
