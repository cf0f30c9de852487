"""A backtest makes the decisions of live operation: the same ids, spans, scores and marks of budgets."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.base import Aligner
from alignment.aligners.similarity import SimilarityAligner
from alignment.personal.files import pack_head
from alignment.personal.fitting import Judged, fit
from alignment.personal.head import Head
from alignment.personal.samples import Samples
from alignment.types import SOUND_CLASSES
from daemon.backtest.request import Trial
from daemon.backtest.run import BacktestModels, backtest
from daemon.backtest.types import Hit, Period
from tests.support.recorded.shards import write_stream
from tests.support.streams.live_items import EVENTS, START, live_items
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of
from tests.support.streams.replaying import Replay
from workers.decisions.feedback import feedback_key
from workers.decisions.stream_rules import RulesOrder, prepare_rules
from workers.events.event import Event
from workers.index.reader import IndexReader
from workers.index.types import TapeInfo
from workers.items import AudioAnalysed, FrameAnswer, StreamItem
from workers.redaction import RedactedUrl
from workers.services.aligner import AlignerService
from workers.services.aligner_options import AlignerOptions
from workers.services.clients import AlignerClient
from workers.services.proxies import AlignerProxy, LocalTransport
from workers.services.remote_aligner import ServedAligner
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.factory import build_source
from workers.state_layout import StateLayout
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, SourceInfo

pytestmark = pytest.mark.timeout(120)  # hundreds of hops of each event

CAMERA = CameraSpec("cam", RedactedUrl("rtsp://camera/1"))
INFO = SourceInfo("5e551011", live=True, has_video=True, has_audio=True)
ENCODER = ColourEncoder()
TAPE = TapeInfo(
    "cam",
    "5e551011",
    True,
    ENCODER.describe().info.id,
    1.0,
    ENCODER.describe().dims,
    True,
    True,
    START,
    tags=True,
    transcribes=True,
    zones=tuple(dict.fromkeys(e.areas for e in EVENTS if e.areas)),
)
PERIOD = Period(START - 10, START + 3600)
NOTHING_LEARNED = StateService()
WHOLE = (True, False)  # every clip is decided on, or those that matter
Decision = tuple[str, float, float, float, bool, float | None]


@pytest.fixture(scope="module")
def network() -> Iterator[AlignerClient]:
    """The shipped network, in the space of colours."""
    service = AlignerService(
        AlignerOptions(), ENCODER.describe().calibration, np.zeros((0, ENCODER.describe().dims[0]), np.float32)
    )
    yield AlignerProxy(LocalTransport(service))
    service.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StreamItem]]:
    """Two and a half minutes of a stream: the folder of its index, and its items as they are there."""
    folder = tmp_path_factory.mktemp("index")
    return folder, write_stream(folder, TAPE, list(live_items(2, 150)), each=100)


def of_events(events: list[dict[str, object]], name: str) -> list[Decision]:
    """Return the decisions of published events of one name: their last revisions."""
    last = {e["id"]: e for e in events if e["event"] == name}
    return sorted(
        (e["id"], e["start"], e["end"], e["score"], e["over_budget"], e["rule"]["threshold"])  # type: ignore[misc,index]
        for e in last.values()
    )


def of_hits(hits: tuple[Hit, ...]) -> list[Decision]:
    """Return hits as they would have been published."""
    return sorted(
        (h.id, round(h.start, 3), round(h.end, 3), round(h.score, 4), h.over_budget, round(h.threshold or 0, 4))
        for h in hits
    )


def tried(
    folder: Path,
    spec: EventSpec,
    period: Period,
    network: AlignerClient | None,
    whole: bool,
    state: StateService = NOTHING_LEARNED,
) -> list[Decision]:
    models = BacktestModels(ENCODER, network, state)
    return of_hits(backtest(Trial({"cam": spec}, period), IndexReader(folder), models, whole=whole).hits)


def decided(items: list[StreamItem], aligner: Aligner, events: tuple[EventSpec, ...]) -> list[dict[str, object]]:
    return Replay(CAMERA, INFO, events, aligner).decide(items).events


def test_a_live_stream_is_decided_again(kept: tuple[Path, list[StreamItem]]) -> None:
    """Drops, a discontinuity, zones, speech, sounds and a budget; whether or not clips are skipped."""
    folder, stored = kept
    live = decided(stored, SimilarityAligner(ENCODER.describe().calibration), EVENTS)
    for whole in WHOLE:
        found = {e.name: tried(folder, e, PERIOD, None, whole) for e in EVENTS}
        assert found == {e.name: of_events(live, e.name) for e in EVENTS}
        assert all(found.values())
        assert any(over for *_, over, _ in found["blue"])


@pytest.mark.parametrize("budget", [None, 2.0], ids=["default", "budget"])
def test_what_people_judged_counts_as_it_does_live(
    kept: tuple[Path, list[StreamItem]], tmp_path: Path, budget: float | None
) -> None:
    folder, stored = kept
    aligner = SimilarityAligner(ENCODER.describe().calibration)
    event = EventSpec("loud", ("red", "blue"), max_false_alerts_per_hour=budget)  # judged wrong in one colour
    plain, also = (tried(folder, event, PERIOD, None, whole) for whole in WHOLE)
    assert plain == also
    layout = StateLayout(tmp_path)
    layout.heads.mkdir(parents=True)
    key = feedback_key(event, f"{ENCODER.describe().info.id} {aligner.name}")
    (layout.heads / "loud.safetensors").write_bytes(pack_head(head_of(stored, plain[0]), {"key": key}))
    state = StateService(layout=layout)
    live = of_events(Replay(CAMERA, INFO, (event,), aligner, state).decide(stored).events, "loud")
    for whole in WHOLE:
        assert tried(folder, event, PERIOD, None, whole, state) == live
    assert live
    assert live != plain


def head_of(items: list[StreamItem], decision: Decision) -> Head:
    """Return what is learned when somebody calls one event wrong, by what was seen in it first."""
    _, start, end, *_ = decision
    frames = [i.features for i in items if isinstance(i, FrameAnswer) and start <= i.pts_s[0] <= end]
    rows = np.concatenate(frames)[:2]
    n = len(rows)
    shares = np.tile(np.array([1, 0, 0], np.float32), (n, 1))
    unsaid, unheard = np.zeros((n, ENCODER.describe().dims[1]), np.float32), np.zeros((n, SOUND_CLASSES), np.float32)
    return fit([Judged(Samples(rows, unsaid, unheard, shares, np.full(n, 0.5, np.float32)), False, 0.4)])


def test_the_trained_network_decides_again(tmp_path: Path, network: AlignerClient) -> None:
    """It reads hundreds of clips at once here, and clip by clip there: scores may differ in the fifth digit."""
    stored = write_stream(tmp_path, TAPE, list(live_items(2, 120)), each=150)
    some = (EVENTS[0], EVENTS[4])
    live = decided(stored, ServedAligner(network), some)
    for event in some:
        expected, found = of_events(live, event.name), tried(tmp_path, event, PERIOD, network, whole=False)
        assert expected
        assert [x[:3] + x[4:] for x in found] == [x[:3] + x[4:] for x in expected]
        assert [x[3] for x in found] == pytest.approx([x[3] for x in expected], abs=2e-4)


def test_a_rule_is_tried_as_if_it_had_been_added_when_the_period_begins(tmp_path: Path) -> None:
    stored = write_stream(tmp_path, TAPE, list(live_items(4, 240)), each=150)
    since = START + 130.5
    aligner, services = SimilarityAligner(ENCODER.describe().calibration), services_of(ENCODER, MemorySink())
    for event in (EVENTS[0], EVENTS[1]):
        live = Replay(CAMERA, INFO, (), aligner)
        begins = next(
            n
            for n, item in enumerate(stored)
            if isinstance(item, FrameAnswer | AudioAnalysed) and item.start_s >= since
        )
        live.decide(stored[:begins])
        live.decider.change_rules(prepare_rules(RulesOrder((event,), services), CAMERA, INFO, aligner))
        live.decide(stored[begins:])
        for whole in WHOLE:
            found = tried(tmp_path, event, replace(PERIOD, since=since), None, whole)
            assert found == of_events(live.events, event.name)
            assert found


def test_a_file_is_decided_again(tmp_path: Path, colour_video: Callable[..., Path]) -> None:
    path = colour_video([("grey", 4), ("red", 6), ("grey", 6), ("blue", 5), ("grey", 4), ("red", 5)])
    budget = EventSpec("red", ("red",), max_false_alerts_per_hour=0.5)
    sink, settings = MemorySink(), ServiceSettings(state_dir=tmp_path)
    camera = CameraSpec("cam", RedactedUrl(str(path)), audio=False)
    state, source = StateService.of(settings), build_source(camera, ENCODER.describe().frame_spec)
    aligner = SimilarityAligner(ENCODER.describe().calibration)
    events = (budget, EventSpec("blue", ("blue",)))
    StreamPipeline(camera, events, source, aligner, services_of(ENCODER, sink, state=state), settings).run()
    state.close(20)
    published: list[dict[str, object]] = [e.model_dump() for e in _last(sink.events)]
    for event in events:
        found = tried(tmp_path / "index", event, Period(0.0, 1e11), None, False)
        assert found == of_events(published, event.name)
        assert found


def _last(events: tuple[Event, ...]) -> list[Event]:
    return list({e.id: e for e in events}.values())
