"""Backtests over HTTP: jobs with progress, who may try what, what is refused."""

import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import httpx
import pytest

from alignment.types import F32
from daemon.backtest.run import BacktestModels
from tests.daemon.api.conftest import DOOR, FILES, Serve, Served
from tests.daemon.backtest.test_live import TAPE
from tests.support.events import make_event
from tests.support.recorded.shards import write_stream
from tests.support.streams.live_items import START, live_items
from workers.items import FrameAnswer
from workers.services.encoder import EncoderService
from workers.services.proxies import EncoderProxy, LocalTransport
from workers.services.state import StateService


def lately() -> dict[str, float]:
    """Return the last ten minutes, in which what ``served`` has stored lies."""
    return {"since": time.time() - 600, "until": time.time()}


@pytest.fixture
def served(serve: Serve, encoder: EncoderService) -> Served:
    made = serve()
    made.backtest_models = BacktestModels(EncoderProxy(LocalTransport(encoder)), None, StateService())
    later_s = time.time() - 200 - START
    items = [FrameAnswer(0, i.pts_s + later_s, i.features) for i in live_items(0, 150) if isinstance(i, FrameAnswer)]
    for camera in ("door", "bedroom"):
        tape = replace(TAPE, camera=camera, key=camera, tags=False, transcribes=False, zones=())
        write_stream(made.layout.index, tape, items)
    return made


def ended(client: httpx.Client, asked: dict[str, Any]) -> dict[str, Any]:
    """Start a backtest, and return how it ended."""
    started = client.post("backtest", json=asked)
    assert started.status_code == 202, started.text
    job: dict[str, Any] = started.json()
    while job["state"] in ("waiting", "running"):
        time.sleep(0.05)
        job = client.get(f"backtest/{job['id']}").json()
    return job


def test_a_rule_that_is_not_saved_is_tried(served: Served) -> None:
    job = ended(served.client(), {"config": {"describe": "red"}, **lately()})
    assert (job["state"], job["error"]) == ("done", None)
    assert job["done"] == job["total"] > 0
    found = job["result"]
    assert found["hits"]
    assert {camera["camera"] for camera in found["cameras"]} == {"door"}  # the other lists its events
    assert {hit["shown_by"] for hit in found["hits"]} == {None}
    saved = ended(served.client(), {"event": "red", "config": {"describe": "red", "threshold": 0.99}, **lately()})[
        "result"
    ]
    assert {camera["camera"] for camera in saved["cameras"]} == {"door"}
    assert saved["threshold"] == 0.99


def test_a_hit_is_shown_by_the_event_that_was_recorded(served: Served) -> None:
    found = ended(served.client(), {"event": "red", **lately()})["result"]
    hit = found["hits"][0]
    event = make_event(1, camera="door", start=hit["start"], end=hit["end"] + 1, live=True)
    event = event.model_copy(update={"evidence": event.evidence.model_copy(update={"snapshot": "door/red.jpg"})})
    served.log.append([event])
    again = ended(served.client(), {"event": "red", **lately()})["result"]
    assert again["hits"][0]["shown_by"] == event.id


def test_what_is_likely_is_shown_until_it_is_decided(served: Served, encoder: EncoderService) -> None:
    named = threading.Event()

    class Waiting(EncoderProxy):
        """Gives no names, by which a backtest ends, before it may."""

        def nearest_name(self, frames: F32) -> "Future[str]":
            named.wait(10)
            return super().nearest_name(frames)

    served.backtest_models = BacktestModels(Waiting(LocalTransport(encoder)), None, StateService())
    job: dict[str, Any] = served.client().post("backtest", json={"event": "red", **lately()}).json()
    assert job["estimate"] is None
    while not job["estimate"]:
        job = served.client().get(f"backtest/{job['id']}").json()
    assert (job["state"], job["result"]) == ("running", None)
    likely = job["estimate"]["moments"]
    assert {(m["camera"], m["live"], m["file"], m["shown_by"]) for m in likely} == {("door", True, None, None)}
    event = make_event(1, camera="door", start=likely[0]["start"], end=likely[0]["end"], live=True)
    event = event.model_copy(update={"evidence": event.evidence.model_copy(update={"snapshot": "door/red.jpg"})})
    served.log.append([event])
    shown = served.client().get(f"backtest/{job['id']}").json()["estimate"]
    assert (shown["moments"][0]["shown_by"], shown["more"]) == (event.id, False)
    named.set()
    while job["state"] != "done":
        time.sleep(0.05)
        job = served.client().get(f"backtest/{job['id']}").json()
    assert (job["estimate"], job["result"]["event"]) == (None, "red")


def test_a_client_tries_on_the_cameras_that_it_may_know(served: Served) -> None:
    job = ended(served.client(DOOR), {"event": "a red picture", **lately()})
    assert {camera["camera"] for camera in job["result"]["cameras"]} == {"door"}
    everything = ended(served.client(), {"event": "a red picture", **lately()})
    assert served.client(DOOR).get(f"backtest/{everything['id']}").status_code == 404
    assert served.client(FILES).post("backtest", json={"event": "red"}).status_code == 403
    assert served.client().delete(f"backtest/{everything['id']}").status_code == 204
    assert served.client().get(f"backtest/{everything['id']}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        ({}, 422, "invalid_request"),
        ({"event": "red", "since": 10, "until": 5}, 422, "invalid_request"),
        ({"event": "red", "threshold": 0.5, "max_false_alerts": "1/day"}, 422, "invalid_request"),
        ({"event": "red", "max_false_alerts": "often"}, 422, "invalid_request"),
        ({"event": "red", "camera": "attic"}, 422, "backtest_impossible"),
        ({"config": {"describe": ""}}, 422, "configuration_invalid"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_words(
    served: Served, asked: dict[str, Any], status: int, error: str
) -> None:
    answer = served.client().post("backtest", json=asked)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["message"]


def test_models_that_are_being_loaded_are_said(serve: Serve) -> None:
    answer = serve().client().post("backtest", json={"event": "red"})
    assert (answer.status_code, answer.json()["error"]) == (503, "models_loading")
