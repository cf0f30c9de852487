"""What is skipped changes no decision, no count and no budget, whatever decides: looks, objects, sounds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.calibration import LITE_CALIBRATION
from alignment.types import SOUND_CLASSES, Counted, EventQuery, ObjectQuery
from daemon.backtest.camera import CameraJudge
from daemon.backtest.deciding.memory import LooksMemory
from daemon.backtest.types import CameraResult, Period, TriedRule
from tests.support.recorded.shards import write_stream
from workers.index.reader import IndexReader
from workers.index.types import TapeInfo
from workers.items import MOST_OBJECTS, AudioAnalysed, FrameAnswer, StreamItem, Transcript
from workers.services.aligner import AlignerService
from workers.services.aligner_options import AlignerOptions
from workers.services.clients import AlignerClient, EncoderDescription
from workers.services.proxies import AlignerProxy, LocalTransport
from workers.types import EventSpec, FrameSpec, ModelInfo, SoundTags, Utterance

pytestmark = pytest.mark.timeout(150)  # hundreds of hops of the network

D, NAMES, SOUND, CAR = 32, 40, 7, 3
START = 1_790_000_000.0
MODEL = ModelInfo("lite/x@1", "lite", "x", "1", D, "", "cpu", 0.0)
ENCODER = EncoderDescription(MODEL, FrameSpec(256, 256, "whole"), (D, 16), LITE_CALIBRATION)
TAPE = TapeInfo("cam", "k" * 16, True, MODEL.id, 1.0, (D, 16), True, True, START, 640, 360, detects=True, tags=True)


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


RNG = np.random.default_rng(5)
TARGET, OTHER, VOCABULARY = (unit(RNG.normal(size=(n, D))) for n in (2, 1, NAMES))
LIKENESS = RNG.uniform(0, 0.6, NAMES).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Iterator[AlignerClient]:
    """The shipped network."""
    service = AlignerService(AlignerOptions(), LITE_CALIBRATION, VOCABULARY)
    yield AlignerProxy(LocalTransport(service))
    service.close()


def stream(seed: int, clips: int) -> Iterator[StreamItem]:
    """Yield a street on which now and then something happens, for two seconds or two minutes, and something sounds."""
    rng, t, left = np.random.default_rng(seed), START, 0
    scene = unit(rng.normal(size=D))
    for _ in range(clips):
        t += 1 + float(rng.normal(0, 0.02)) + 3.0 * (rng.random() < 0.005)
        left = int(rng.integers(2, 120)) if rng.random() < 0.006 else left - 1
        row = scene + 0.3 * unit(rng.normal(size=D)) + (TARGET[0] * rng.uniform(0.3, 1.5) if left > 0 else 0)
        objects = np.full((1, MOST_OBJECTS, 8), -np.inf, np.float32)
        objects[..., 6:] = 0
        if left > 0 and rng.random() < 0.8:
            objects[0, 0] = (CAR, rng.normal(0.5, 1), 0.1, 0.1, 0.3, 0.5, 0.2, 0)
        elif rng.random() < 0.05:
            objects[0, 0] = (CAR, rng.normal(-3, 1), 0.5, 0.1, 0.7, 0.5, 0, 0)
        features = unit(row)[None]
        if rng.random() < 0.01:
            features[:] = np.nan
        yield FrameAnswer(0, np.array([t]), features, objects)
        p = np.zeros((2, SOUND_CLASSES), np.float32)
        p[:, SOUND] = rng.uniform(0.2, 1) if rng.random() < 0.01 else 0
        yield AudioAnalysed(0, t, t + 1, t + 1, SoundTags(0, np.array([[t, t + 0.5], [t + 0.5, t + 1]]), p))
        if rng.random() < 0.003:
            said = (Utterance(t - 3, t - 1, "hello", 0.9, "en"),)
            yield Transcript(0, t - 3, said, unit(rng.normal(size=(1, 16))))


def query(*objects: ObjectQuery | None, sound: float = 0.0) -> EventQuery:
    weights = np.zeros(SOUND_CLASSES, np.float32)
    weights[SOUND] = sound
    none, prior = np.zeros((0, 16), np.float32), np.array([1, 0, sound], np.float32)
    words = {"words": ("a", "b"), "vision_words": TARGET, "likeness": LIKENESS}
    return EventQuery("event", TARGET, OTHER, none, none, weights, prior, objects=objects, **words)  # type: ignore[arg-type]


CARS = Counted((CAR,))
QUERIES = {
    "look": query(),
    "objects": query(ObjectQuery((CARS,))),
    "both": query(ObjectQuery((CARS,), frames="both")),
    "either": query(ObjectQuery((CARS,), frames="either"), None),
    "confirm": query(ObjectQuery((CARS,), frames="confirm")),
    "none": query(ObjectQuery((CARS,), absent=True)),
    "look or sound": query(sound=1.0),
}


def judged(folder: Path, spec: EventSpec, kind: str, client: AlignerClient | None, whole: bool) -> CameraResult:
    period = Period(START + 90, START + 300)
    rule = TriedRule("cam", spec, QUERIES[kind], ENCODER)
    shards = IndexReader(folder).shards(["cam"], START, period.until)
    return CameraJudge(rule, client, period, lambda clips: None, LooksMemory(), whole).judge(shards, live=True)


# A budget looks at the times of skipped clips, whatever decides.
SWEEP = [(kind, None) for kind in QUERIES] + [
    (kind, 20.0) if kind in ("either", "look or sound") else pytest.param(kind, 20.0, marks=pytest.mark.long)
    for kind in QUERIES
]


@pytest.mark.parametrize(("kind", "budget"), SWEEP)
def test_what_is_skipped_could_not_matter(tmp_path: Path, kind: str, budget: float | None) -> None:
    write_stream(tmp_path, TAPE, list(stream(len(kind), 320)), each=250)
    spec = EventSpec("event", ("event",), max_false_alerts_per_hour=budget)
    same(judged(tmp_path, spec, kind, None, True), judged(tmp_path, spec, kind, None, False), score=0.0)


@pytest.mark.parametrize("kind", ["look", "objects", "both", "either"])
def test_what_the_network_need_not_see_is_skipped(tmp_path: Path, kind: str, network: AlignerClient) -> None:
    write_stream(tmp_path, TAPE, list(stream(7, 320)), each=250)
    spec = EventSpec("event", ("event",))
    same(judged(tmp_path, spec, kind, network, True), judged(tmp_path, spec, kind, network, False), score=1e-4)


def test_time_in_which_nothing_happens_is_skipped(tmp_path: Path) -> None:
    items = [replace(i, detections=None) if isinstance(i, FrameAnswer) else i for i in stream(1, 200)]
    quiet = [i for i in items if isinstance(i, FrameAnswer)]
    tape = replace(TAPE, detects=True)
    write_stream(tmp_path, tape, [replace(i, detections=np.full((1, 1, 8), -np.inf, np.float32)) for i in quiet])
    found = judged(tmp_path, EventSpec("event", ("event",)), "objects", None, False)
    assert (found.hits, found.replayed) == ((), 0)
    assert found.clips > 100
    assert found.tally.hours == pytest.approx(found.clips / 3600, rel=0.5)


def same(every: CameraResult, some: CameraResult, score: float) -> None:
    """Assert that two results are the same, scores up to a difference."""
    assert every.hits
    names = ("id", "start", "end", "over_budget", "threshold", "best")
    assert [[getattr(h, n) for n in names] for h in some.hits] == [[getattr(h, n) for n in names] for h in every.hits]
    assert [h.score for h in some.hits] == pytest.approx([h.score for h in every.hits], abs=score)
    assert some.tally.counts.tolist() == every.tally.counts.tolist()
    assert some.tally.hours == pytest.approx(every.tally.hours, rel=1e-3)
    assert some.unjudged == every.unjudged
    assert some.clips == every.clips >= some.replayed
