"""A transcriber that fails: a camera's pictures go on without, a file ends with the error."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from alignment.aligners.similarity import SimilarityAligner
from alignment.types import EventQuery
from tests.support.streams.pipelines import ColourEncoder, MemorySink, cut_sample, done, services_of
from workers.errors import ModelUnavailable, ServiceUnresponsive
from workers.redaction import RedactedUrl
from workers.sources.base import Source, WithoutClips
from workers.sources.factory import build_source
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, SourceInfo, SourceItem, SourceSnapshot, Utterance, VoicedChunk

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

SECONDS = 20  # somebody speaks


class SeenOrSaid(ColourEncoder):
    """Takes every description for something that is seen or said."""

    def build_queries(self, specs: Sequence[EventSpec]) -> tuple[EventQuery, ...]:
        prior = np.array([0.5, 0.5, 0], np.float32)
        return tuple(replace(query, prior=prior) for query in super().build_queries(specs))


class Failing:
    """A transcriber that answers with an error."""

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        self.asked += 1
        answer: Future[tuple[Utterance, ...]] = Future()
        answer.set_exception(self.error)
        return answer


class AsCamera(WithoutClips):
    """A file taken for a camera."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def open(self) -> SourceInfo:
        return replace(self._source.open(), live=True, duration_s=None)

    def items(self) -> Iterator[SourceItem]:
        return self._source.items()

    def snapshot(self) -> SourceSnapshot:
        return self._source.snapshot()

    def stop(self) -> None:
        self._source.stop()

    def close(self) -> None:
        self._source.close()


def stream(folder: Path, speech: Failing, live: bool) -> tuple[StreamPipeline, ColourEncoder]:
    video = cut_sample(folder / "video.mp4", SECONDS)
    encoder, camera = SeenOrSaid(), CameraSpec("cam", RedactedUrl(str(video)), fps=1.0, results=True)
    description = encoder.describe()
    aligner, services = SimilarityAligner(description.calibration), services_of(encoder, MemorySink(), speech)
    source: Source = build_source(camera, description.frame_spec)
    events = (EventSpec("red", ("red",)),)
    return StreamPipeline(camera, events, AsCamera(source) if live else source, aligner, services), encoder


class Hearing(Failing):
    """A transcriber that always hears the same."""

    def submit(self, chunk: VoicedChunk, wait: bool) -> "Future[tuple[Utterance, ...]]":
        starts = (chunk.start_s + 1, chunk.start_s)
        return done(tuple(Utterance(start, start + 1, "red", 0.9, "en") for start in starts))


def test_the_results_of_a_file_have_all_that_was_said(tmp_path: Path) -> None:
    watched, _ = stream(tmp_path, Hearing(RuntimeError()), live=False)
    watched.run()
    results = watched.snapshot().results
    assert results is not None
    starts = [u.start_s for u in results.transcript]
    assert len(starts) > 1
    assert starts == sorted(starts)
    assert {u.text for u in results.transcript} == {"red"}


@pytest.mark.parametrize("error", [ModelUnavailable("no room on the GPU"), RuntimeError("CUDA failed")])
def test_a_camera_goes_on_without_what_was_said(tmp_path: Path, error: Exception) -> None:
    speech = Failing(error)
    watched, encoder = stream(tmp_path, speech, live=True)
    with capture_logs() as told:
        watched.run()
    assert speech.asked
    assert [line["error"] for line in told if line["event"] == "speech lost"] == [repr(error)] * speech.asked
    assert watched.snapshot().state == "finished"
    assert watched.snapshot().source.frames_sampled >= SECONDS
    assert encoder.calls


@pytest.mark.parametrize(
    ("live", "error"), [(False, ModelUnavailable("no room")), (True, ServiceUnresponsive("nothing"))]
)
def test_a_file_and_whoever_asked_in_vain_end_with_the_error(tmp_path: Path, live: bool, error: Exception) -> None:
    watched, _ = stream(tmp_path, Failing(error), live)
    with pytest.raises(type(error), match=str(error)):
        watched.run()
