"""Questions over HTTP: who may ask about what, steps as they happen, and moments that can be looked at."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from daemon.checking.descriptions import DescriptionJudge
from daemon.search.engine import SearchModels
from tests.daemon.api.conftest import CONFIG, DOOR, GRAPHS, Serve, Served
from tests.support.clocks import SettableClock
from tests.support.events import make_event
from tests.support.recorded.asking import claims, is_plan, plan
from tests.support.recorded.recordings import NOW, day
from tests.support.serving.vlm_server import VlmServer, says, status, vlm_server
from workers.services.encoder import EncoderService
from workers.services.proxies import EncoderProxy, LocalTransport


@pytest.fixture
def server() -> Iterator[VlmServer]:
    answered = claims(("Red was at the door.", [1]))
    with vlm_server(says(lambda asked: plan("a red picture") if is_plan(asked) else answered)) as server:
        yield server


@pytest.fixture
def served(serve: Serve, server: VlmServer, encoder: EncoderService) -> Served:
    verifier = {"url": server.url, "model": "tiny", "timeout": 5}
    bedroom = CONFIG["cameras"]["bedroom"] | {"verifier": "none"}
    clock = SettableClock()
    clock.set_by = NOW + 100 - clock.wall()
    cameras = CONFIG["cameras"] | {"bedroom": bedroom, "yard": {"url": "rtsp://10.0.0.7/1"}}
    made = serve(clock=clock, models={"profile": "colour", "verifier": verifier}, cameras=cameras)
    made.models = SearchModels(EncoderProxy(LocalTransport(encoder)), None, DescriptionJudge(made.store.read()[0]))
    day(made.layout.index)
    return made


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


def test_steps_come_before_the_answer_with_its_moments(served: Served, server: VlmServer) -> None:
    event = make_event(camera="door", start=NOW + 41.0, end=NOW + 46.0, segment="session-1/0", live=True)
    served.log.append([event])
    turn = {"question": "and before?", "answer": [{"text": "Nothing.", "cameras": ["door"]}]}
    body = {"question": "what was at the door?", "camera": ["door"], "time_zone": "Asia/Shanghai", "earlier": [turn]}
    *steps, last = lines(served.client().post("ask", json=body))
    assert [step["step"] for step in steps] == ["planning", "searching", "answering"]
    answer = last["answer"]
    assert answer["state"] == "answered"
    assert answer["sentences"] == [{"text": "Red was at the door.", "moments": [1]}]
    assert (answer["moments"][0]["number"], answer["moments"][0]["moment"]["event"]) == (1, event.id)
    assert answer["searched"][0]["hours_of"]["door"] > 0
    assert server.asked[0].data["earlier"] == [{"question": "and before?", "answer": "Nothing."}]
    now = datetime.now(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    assert (
        timedelta() <= now - datetime.strptime(server.asked[0].data["now"], "%A %Y-%m-%d %H:%M") < timedelta(minutes=2)
    )


def test_nobody_asks_about_what_lies_beyond_the_own_cameras(served: Served, server: VlmServer) -> None:
    assert served.client(None).post("ask", json={"question": "?"}).status_code == 401
    assert served.client(GRAPHS).post("ask", json={"question": "?"}).json()["error"] == "permission_missing"
    assert served.client(GRAPHS).get("ask").status_code == 403
    everything = served.client().get("ask").json()
    assert [(one["model"], one["server"], one["cameras"]) for one in everything["asked"]] == [
        ("tiny", server.url, ["door", "uploads", "yard"])
    ]
    assert everything["left_out"] == ["bedroom"]
    mine = served.client(DOOR).get("ask").json()
    assert ([one["cameras"] for one in mine["asked"]], mine["left_out"]) == ([["door"]], [])
    answer = lines(served.client(DOOR).post("ask", json={"question": "what was there?"}))[-1]["answer"]
    assert {one["moment"]["camera"] for one in answer["moments"]} == {"door"}
    assert all(request.data.get("cameras", ["door"]) == ["door"] for request in server.asked)
    refused = served.client(DOOR).post("ask", json={"question": "?", "camera": ["yard"]}).json()
    assert (refused["error"], "yard; cameras are door" in refused["message"]) == ("ask_impossible", True)


def test_the_moments_are_returned_when_the_model_fails(served: Served, server: VlmServer) -> None:
    server.usual = status(401)
    answer = lines(served.client().post("ask", json={"question": "a red picture"}))[-1]["answer"]
    assert (answer["state"], answer["sentences"], len(answer["moments"]) > 0) == ("failed", [], True)
    assert answer["failures"][0]["code"] == "vlm_refused"
    assert "key" in answer["failures"][0]["message"]


def test_a_search_that_is_not_possible_yet_is_said_in_the_answer(served: Served) -> None:
    served.models = None
    answer = lines(served.client().post("ask", json={"question": "?"}))[-1]["answer"]
    assert [failure["code"] for failure in answer["failures"]] == ["search_busy"]


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "invalid_request"),
    ({"question": " "}, "ask_impossible"),
    ({"question": "?" * 501}, "invalid_request"),
    ({"question": "?", "since": "soon"}, "invalid_request"),
    ({"question": "?", "since": 9, "until": 3}, "ask_impossible"),
    ({"question": "?", "time_zone": "Nowhere"}, "invalid_request"),
    ({"question": "?", "earlier": [{"question": "?", "answer": []}] * 7}, "invalid_request"),
)


def test_wrong_requests_are_refused_with_what_to_do(served: Served) -> None:
    for body, error in WRONG:
        answer = served.client().post("ask", json=body)
        assert (answer.status_code, answer.json()["error"]) == (422, error), body


def test_without_a_model_it_is_said_what_to_set(serve: Serve) -> None:
    client = serve().client()
    assert client.get("ask").json() == {"asked": [], "left_out": ["bedroom", "door", "uploads"]}
    refused = client.post("ask", json={"question": "?"})
    assert (refused.status_code, "models.verifier" in refused.json()["message"]) == (422, True)
