"""The network that all streams share: the scores of a network of one's own, whoever else asks and whatever dies."""

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.base import Aligner
from alignment.aligners.trained.checkpoint import save_checkpoint
from alignment.aligners.trained.incremental import Logits, WindowDelta
from alignment.errors import FeatureError
from alignment.types import EventQuery, FeatureWindow
from tests.support.clocks import FakeClock
from tests.support.models.aligners import CALIBRATION, FRAME_DIM, NAMES, make_query, make_sample, random_network
from workers.errors import ServiceDied, ServiceUnresponsive, SessionLost
from workers.services import clients as services
from workers.services.aligner import IDLE_S, AlignerService
from workers.services.aligner_options import AlignerOptions, load_network
from workers.services.remote_aligner import ServedAligner
from workers.services.scheduler import DEFAULT_CONTEXT, MAX_PASS_S, RequestContext

CLIPS = 30


@pytest.fixture
def options(tmp_path: Path) -> AlignerOptions:
    save_checkpoint(tmp_path / "own.safetensors", random_network(), {})
    return AlignerOptions(checkpoint=tmp_path / "own.safetensors")


@pytest.fixture
def service(options: AlignerOptions) -> Iterator[AlignerService]:
    service = AlignerService(options, CALIBRATION, NAMES)
    yield service
    service.close()


def queries(seed: int = 0, count: int = 3) -> list[EventQuery]:
    made = [make_query(np.random.default_rng(seed + i), i % 3, f"e{i}") for i in range(count)]
    return [replace(q, vocabulary=NAMES, likeness=np.clip(NAMES @ q.vision[0], 0, None)) for q in made]


def window(end: int, seed: int = 0) -> FeatureWindow:
    """Return the clips before number ``end`` of a stream; what is said comes with the clips it is said in."""
    w = make_sample(seed, CLIPS).window
    heard = w.speech_t[:, 1] <= end
    cut = {n: getattr(w, n)[:end] for n in ("bounds", "frames", "frame_mask", "sound", "sound_mask")}
    return replace(w, **cut, speech=w.speech[heard], speech_t=w.speech_t[heard])


def watch(aligner: Aligner, seed: int = 0) -> np.ndarray:
    """Return the scores [hops, Q] of the newest clip at every hop of a stream."""
    scorer = aligner.begin(queries(seed))
    return np.array([[t.p[-1] for t in scorer.score(window(end, seed), 0)] for end in range(1, CLIPS + 1)])


def test_streams_get_the_scores_of_a_network_of_their_own(service: AlignerService, options: AlignerOptions) -> None:
    own, found = load_network(options, CALIBRATION), dict[int, np.ndarray]()

    def run(seed: int) -> None:
        found[seed] = watch(ServedAligner(service), seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(8):
        np.testing.assert_allclose(found[seed], watch(own, seed), atol=1e-5)
    assert answered(service) == 8 * CLIPS


def test_the_shared_network_tells_the_same_of_itself_and_of_its_attention(
    service: AlignerService, options: AlignerOptions
) -> None:
    own, served = load_network(options, CALIBRATION), ServedAligner(service)
    assert (served.name, served.lookahead, served.rates) == (own.name, own.lookahead, own.rates)
    attention = served.attend(window(CLIPS), queries()[0])
    np.testing.assert_allclose(attention, own.attend(window(CLIPS), queries()[0]), atol=1e-6)
    assert attention.max() > 0


def answered(service: AlignerService) -> int:
    return sum(requests * passes for requests, passes in service.snapshot().batches.items())


def unread(clips: int = 2, width: int = FRAME_DIM) -> WindowDelta:
    return WindowDelta(0, np.ones((clips, width), np.float32), np.ones(clips, bool))


class Gate:
    """Holds a service's first pass until it is opened."""

    def __init__(self, service: AlignerService) -> None:
        self.open, self.entered = threading.Event(), threading.Event()
        read = service._aligner.read

        def wait(requests: Sequence[object]) -> list[Logits]:
            self.entered.set()
            assert self.open.wait(60)
            return read(requests)  # type: ignore[arg-type]  # passed on as it came

        service._aligner.read = wait  # type: ignore[method-assign]  # the pass itself is the real one


def test_what_waits_together_is_answered_by_one_pass(service: AlignerService) -> None:
    gate, names = Gate(service), [f"s{i}" for i in range(5)]
    for name in names:
        service.begin(name, queries()).result()
    first = service.read("s0", unread())
    assert gate.entered.wait(60)
    others = [service.read(name, unread()) for name in names]
    twice = service.read("s1", unread())  # waits for the first of this session, and for no other
    assert service.snapshot().queue_depth == 6
    assert service.snapshot().in_flight_s > 0
    gate.open.set()
    answers: list[Future[Logits]] = [first, *others, twice]
    assert all(a.result(60).seen.shape == (3, 2) for a in answers)
    snapshot = service.snapshot()
    assert snapshot.batches == {1: 2, 5: 1}
    assert snapshot.seconds.count == 3


def test_beside_live_streams_a_pass_is_short_and_the_important_are_read_first(options: AlignerOptions) -> None:
    clock = FakeClock()
    service = AlignerService(options, CALIBRATION, NAMES, clock)
    gate = Gate(service)
    for name, priority in (("first", 9), ("yard", 1), ("street", 5), ("door", 9)):
        service.begin(name, queries(), RequestContext(name, (priority, 5), live=True)).result()
    blocked = service.read("first", unread())
    assert gate.entered.wait(60)
    order: list[str] = []
    waiting = {name: service.read(name, unread()) for name in ("yard", "street", "door")}
    for name, answer in waiting.items():
        answer.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]  # a default binds the loop's value
    clock.sleep(0.6 * MAX_PASS_S)  # so long takes the first pass, so that each further one has room for one
    gate.open.set()
    assert blocked.result(60).seen.shape == (3, 2)
    assert all(answer.result(60).seen.shape == (3, 2) for answer in waiting.values())
    service.close()
    assert order[0] == "door"
    assert max(service.snapshot().batches) < 3


def test_a_mistake_costs_only_who_made_it(service: AlignerService) -> None:
    gate = Gate(service)
    service.begin("good", queries()).result()
    service.begin("bad", queries()).result()
    blocked = service.read("good", unread())
    assert gate.entered.wait(60)
    asked = [
        service.read("bad", unread(width=99)),
        service.read("stranger", unread()),
        service.read("good", unread()),
    ]
    gate.open.set()
    assert blocked.result(60).seen.shape == (3, 2)
    with pytest.raises(FeatureError, match="frames 99"):
        asked[0].result(60)
    with pytest.raises(SessionLost):
        asked[1].result(60)
    assert asked[2].result(60).seen.shape == (3, 2)


class Restarted:
    """A client of a service that dies now and then, and is there again without its memory."""

    def __init__(self, build: Callable[[], AlignerService], every: int) -> None:
        self._build, self._every, self._reads = build, every, 0
        self._service = build()
        self.info, self.attend, self.look = self._service.info, self._service.attend, self._service.look

    def begin(
        self, session: str, queries: Sequence[EventQuery], context: RequestContext = DEFAULT_CONTEXT
    ) -> "Future[None]":
        return self._service.begin(session, queries, context)

    def read(self, session: str, asked: WindowDelta) -> "Future[Logits]":
        self._reads += 1
        if self._reads % self._every == 0:
            self._service.close()
            self._service = self._build()
            raise ServiceDied("an actor died", "it is restarted")
        return self._service.read(session, asked)

    def end(self, session: str) -> None:
        self._service.end(session)

    def close(self) -> None:
        self._service.close()


def test_a_stream_goes_on_with_the_same_scores_after_every_restart(options: AlignerOptions) -> None:
    client = Restarted(lambda: AlignerService(options, CALIBRATION, NAMES), every=5)
    clock = FakeClock()
    found = watch(ServedAligner(client, clock))
    np.testing.assert_allclose(found, watch(load_network(options, CALIBRATION)), atol=1e-5)
    assert clock.now > 1000 + 3  # it waited for the service
    client.close()


def test_a_service_that_stays_away_is_an_error(options: AlignerOptions) -> None:
    client = Restarted(lambda: AlignerService(options, CALIBRATION, NAMES), every=1)
    with pytest.raises(ServiceDied):
        watch(ServedAligner(client, FakeClock()))
    client.close()


def test_a_network_that_takes_a_question_and_never_answers_is_an_error(
    service: AlignerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = ServedAligner(service).begin(queries())
    scorer.score(window(5), 0)
    gate = Gate(service)
    monkeypatch.setattr(services, "RESPONSE_TIMEOUT_S", 0.2)
    with pytest.raises(ServiceUnresponsive, match="no response from the aligner"):
        scorer.score(window(6), 0)
    with pytest.raises(ServiceUnresponsive):  # not even a new session is begun
        ServedAligner(service).begin(queries()).score(window(5), 0)
    gate.open.set()
    assert answered(service) == 1  # what was asked in vain was not asked again


def test_sessions_end_with_their_epoch(service: AlignerService) -> None:
    scorer = ServedAligner(service).begin(queries())
    scorer.score(window(5), 0)
    assert service.snapshot().sessions == 1
    del scorer
    gc.collect()
    assert service.snapshot().sessions == 0


def test_sessions_of_killed_streams_are_forgotten_after_a_while(options: AlignerOptions) -> None:
    clock = FakeClock()
    service = AlignerService(options, CALIBRATION, NAMES, clock)
    for name in ("killed", "alive"):
        service.begin(name, queries()).result()
    clock.sleep(IDLE_S)
    service.read("alive", unread()).result()
    clock.sleep(1)
    service.begin("new", queries()).result()
    assert service.snapshot().sessions == 2
    with pytest.raises(SessionLost):
        service.read("killed", unread()).result()
    service.close()
