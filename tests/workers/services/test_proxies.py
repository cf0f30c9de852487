"""The clients of services over both transports: the same results, errors and contexts."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray

from alignment.types import F32
from daemon.runtime.ray import RayRuntime
from tests.support.events import make_event
from tests.support.serving.redis import settings_of
from workers.actors.clients import RayTransport
from workers.actors.service import RetryingService
from workers.actors.shells import ServiceActor
from workers.errors import EventLogError, ModelUnavailable, ServiceLost
from workers.events.event import Event, Verification
from workers.publish.base import SinkSnapshot
from workers.publish.log.view import LogView
from workers.services.batcher import BatcherSnapshot
from workers.services.proxies import EncoderProxy, LocalTransport, SinkProxy, Transport
from workers.services.publisher import PublisherService, open_publisher
from workers.services.scheduler import RequestContext
from workers.services.settings import ServiceSettings
from workers.types import U8, Areas, Receipt

CONTEXT = RequestContext("door", (9, 5), live=True, late_s=3.0)
Build = Callable[[Callable[[], object]], Transport]


class Encoder:
    """Responds to frames with their mean and the priority of the request; writes into them, as torch may."""

    def describe(self) -> None:
        raise ModelUnavailable("no weights", "fetch them")

    def encode_frames(self, frames: U8, context: RequestContext) -> "Future[F32]":
        response: Future[F32] = Future()
        if context.camera != "door":
            response.set_exception(RuntimeError("device lost"))
            return response
        mean = float(frames.mean())
        frames[:] = 0
        response.set_result(np.array([[mean, *context.priority]], np.float32))
        return response

    def encode_zones(self, frames: U8, zones: tuple[Areas, ...], context: RequestContext) -> "Future[F32]":
        response: Future[F32] = Future()
        response.set_result(np.array([[frames.mean(), zones[0][0][1][0], *context.priority]], np.float32))
        return response

    def snapshot(self) -> None:
        return None


class Full:
    """A publisher whose disk is full, and that takes long to flush."""

    def publish(self, events: tuple[Event, ...]) -> tuple[Receipt, ...]:
        raise EventLogError("disk full")

    def flush(self, timeout_s: float) -> "Future[bool]":
        return Future()

    def snapshot(self) -> SinkSnapshot:
        return SinkSnapshot(waiting=3)


class Actor(ServiceActor):
    """Any service in an actor."""

    def __init__(self, build: Callable[[], object]) -> None:
        super().__init__(it=RetryingService(build))


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    RayRuntime(ServiceSettings())._init()
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # an actor cannot import this file
    yield
    ray.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def connect(request: pytest.FixtureRequest) -> Build:
    """Return what gives a service, built here or in an actor, a transport."""
    if request.param == "local":
        return lambda build: LocalTransport(build())
    request.getfixturevalue("cluster")

    return lambda build: RayTransport(ray.remote(num_cpus=0)(Actor).remote(build), "it")


def test_frames_are_encoded_in_the_context_of_their_stream(connect: Build) -> None:
    encoder = EncoderProxy(connect(Encoder), CONTEXT)
    frames = np.full((2, 4, 4, 3), 6, np.uint8)
    np.testing.assert_array_equal(encoder.encode_frames(frames).result(60), [[6, 9, 5]])
    other = replace(encoder, context=replace(CONTEXT, priority=(1, 2)))
    np.testing.assert_array_equal(other.encode_frames(np.full((1, 4, 4, 3), 2, np.uint8)).result(60), [[2, 1, 2]])


def test_zones_come_with_their_frames(connect: Build) -> None:
    encoder, left = EncoderProxy(connect(Encoder), CONTEXT), (((0.0, 0.0), (0.5, 0.0), (0.0, 1.0)),)
    rows = encoder.encode_zones(np.full((2, 4, 4, 3), 6, np.uint8), (left,)).result(60)
    np.testing.assert_array_equal(rows, [[6, 0.5, 9, 5]])


def test_our_errors_keep_their_type_text_and_hint(connect: Build) -> None:
    with pytest.raises(ModelUnavailable, match="no weights") as caught:
        EncoderProxy(connect(Encoder)).describe()
    assert caught.value.hint == "fetch them"
    with pytest.raises(EventLogError, match="disk full"):
        SinkProxy(connect(Full)).publish([make_event(1)])


def test_errors_that_nobody_expects_come_with_the_response(connect: Build) -> None:
    response = EncoderProxy(connect(Encoder)).encode_frames(np.zeros((1, 4, 4, 3), np.uint8))
    assert "device lost" in str(response.exception(60))


def test_a_service_that_does_not_respond_in_time_is_lost(connect: Build) -> None:
    sink = SinkProxy(connect(Full))
    assert sink.snapshot().waiting == 3
    with pytest.raises(ServiceLost, match="does not respond"):
        sink.flush(0.1)


def test_events_are_accepted_once_and_taken(connect: Build) -> None:
    sink = SinkProxy(connect(lambda: PublisherService(None, None)))
    events = [make_event(1), make_event(2)]
    assert [r.id for r in sink.publish(events)] == [e.id for e in events]
    assert sink.erase(frozenset([events[0].id])) == 0
    assert sink.take() == (events[1],)
    assert (sink.take(), sink.flush(1.0), sink.end_open("door")) == ((), True, ())


def test_events_are_amended_in_the_log_and_in_what_is_taken(connect: Build, tmp_path: Path) -> None:
    confirmed = Verification(verdict="confirmed", policy="hold", fallback="alert")
    sink = SinkProxy(connect(lambda: open_publisher(settings_of("redis://127.0.0.1:1/0"), tmp_path)))
    event = make_event(1)
    assert sink.amend(event.id, confirmed) is None
    sink.publish([event])
    amended = sink.amend(event.id, confirmed)
    assert amended is not None
    assert (amended.revision, amended.verification) == (1, confirmed)
    sink.publish([make_event(1, type="end", revision=1)])
    (taken,) = sink.take()
    kept = [record.event for record in LogView(tmp_path).revisions(event.id)]
    assert kept == [event, amended, taken]
    assert (taken.type, taken.revision, taken.verification) == ("end", 2, confirmed)
    sink.close()


def test_a_service_that_stalls_is_to_be_replaced() -> None:
    class Model:
        def snapshot(self) -> BatcherSnapshot:
            return BatcherSnapshot(in_flight_s=busy_s)

    busy_s = 89.0
    service, lazy = RetryingService(Model, stalled_s=90.0), RetryingService(Model, stalled_s=90.0, lazy=True)
    assert service.snapshot() == BatcherSnapshot(in_flight_s=89.0)
    busy_s = 93.0
    assert lazy.snapshot() is None
    with pytest.raises(ServiceLost, match="no result from the model for 93 s"):
        service.snapshot()
    lazy()
    with pytest.raises(ServiceLost, match="93 s"):
        lazy.snapshot()
