"""The client against a real server that misbehaves in every way: it ends in time, with an answer or a stable code."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from daemon.vlm.budget import CallBudget
from daemon.vlm.client import VlmClient
from daemon.vlm.errors import (
    VlmBudgetSpent,
    VlmError,
    VlmNonsense,
    VlmRefused,
    VlmTimeout,
    VlmUnreachable,
)
from daemon.vlm.types import Picture, Question
from tests.support.serving.servers import closed_port, unresponsive
from tests.support.serving.vlm_server import (
    Behaviour,
    VlmServer,
    completion,
    cut_off,
    declines,
    drips,
    half_a_json,
    huge,
    knows_formats,
    lost,
    other_language,
    refuses,
    says,
    slow,
    status,
    streams,
    vlm_server,
)

pytestmark = pytest.mark.realtime
DEADLINE_S = 5.0


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    verdict: Literal["confirmed", "rejected"]


YES = {"verdict": "confirmed"}


def question(**data: Any) -> Question[Verdict]:
    pictures = (Picture(b"\xff\xd8first", "frame 1 of 2"), Picture(b"\xff\xd8second", "frame 2 of 2"))
    return Question("Say whether it happened.", data, pictures, Verdict)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.vlm.client.FIRST_WAIT_S", 0.05)


@pytest.fixture
def make() -> Iterator[Callable[..., VlmClient]]:
    made: list[VlmClient] = []

    def build(server: VlmServer, calls: CallBudget | None = None, **settings: Any) -> VlmClient:
        made.append(VlmClient(server.settings(**settings), calls or CallBudget()))
        return made[-1]

    yield build
    for client in made:
        client.close()


Make = Callable[..., VlmClient]


def test_a_question_is_sent_as_the_protocol_says_and_the_answer_is_typed(make: Make) -> None:
    with vlm_server(YES) as server:
        reply = make(server, key="sk-0123456789").ask(question(event="a person climbs"), DEADLINE_S)
        [asked] = server.asked
    assert (reply.answer, reply.model, reply.tokens) == (Verdict(verdict="confirmed"), "tiny", 100)
    assert 0 < reply.latency_s < DEADLINE_S
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-0123456789"
    assert (asked.body["model"], asked.body["max_tokens"], asked.body["stream"]) == ("tiny", 400, False)
    assert asked.body["response_format"]["json_schema"]["schema"] == Verdict.model_json_schema()
    assert asked.data == {"event": "a person climbs"}
    assert asked.texts[1:] == ["frame 1 of 2", "frame 2 of 2"]
    assert asked.jpegs == [b"\xff\xd8first", b"\xff\xd8second"]


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (half_a_json, VlmNonsense),
        (refuses, VlmNonsense),
        (other_language, VlmNonsense),
        (huge, VlmNonsense),
        (streams("no JSON"), VlmNonsense),
        (streams({"verdict": "confirmed" * 10_000}), VlmNonsense),
        (status(200, b"data: {"), VlmNonsense),
        (says({"verdict": "confirmed", "also": "open the gate"}), VlmNonsense),
        (says(None), VlmNonsense),
        (status(200, b"[]"), VlmNonsense),
        (status(200, b"[" * 60_000), VlmNonsense),
        (status(200, b"\xff\xfe"), VlmNonsense),
        (declines, VlmRefused),
        (says(YES, finish="content_filter"), VlmRefused),
        (status(401), VlmRefused),
        (status(404), VlmRefused),
        (status(400, b"x" * 1_000_000), VlmRefused),
        (status(307, Location="http://192.0.2.1/"), VlmRefused),
    ],
)
def test_what_is_no_answer_is_an_error_at_once(behaviour: Behaviour, kind: type[VlmError], make: Make) -> None:
    with vlm_server(behaviour) as server:
        client = make(server)
        with pytest.raises(kind):
            client.ask(question(), DEADLINE_S)
        assert len(server.asked) == (4 if server.asked[-1].form == "text" else 1)
    assert client.snapshot().failures == {kind.code: 1}


def test_a_stream_of_tokens_is_an_answer(make: Make) -> None:
    with vlm_server(streams(YES)) as server:
        reply = make(server).ask(question(), DEADLINE_S)
        assert (reply.answer, reply.tokens) == (Verdict(verdict="confirmed"), 100)
        server.usual = streams(json.dumps(YES) + " " * 3000)  # longer than an answer in one piece may be
        make(server).ask(question(), DEADLINE_S)


def test_a_redirect_is_not_followed(make: Make) -> None:
    with vlm_server(YES) as other, vlm_server(status(308, Location=f"{other.url}/chat/completions")) as server:
        with pytest.raises(VlmRefused, match="redirects elsewhere"):
            make(server, key="sk-0123456789").ask(question(), DEADLINE_S)
        assert other.asked == []


def test_what_goes_to_this_machine_takes_no_proxy(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with vlm_server(YES) as server:
        make(server).ask(question(), DEADLINE_S)


@pytest.mark.parametrize("first", [status(500), status(503, Retry_After="0.1"), status(429), lost, cut_off])
def test_what_may_pass_is_tried_again(first: Behaviour, make: Make) -> None:
    with vlm_server(YES, first) as server:
        assert make(server).ask(question(), DEADLINE_S).answer == Verdict(verdict="confirmed")
        assert len(server.asked) == 2


def test_retry_after_is_kept(make: Make) -> None:
    with vlm_server(YES, status(429, Retry_After="1")) as server:
        make(server).ask(question(), DEADLINE_S)
        first, second = server.asked
    assert 1 <= second.at - first.at < 2


def test_a_server_that_wants_more_time_than_there_is_fails_at_once(make: Make) -> None:
    with vlm_server(status(429, Retry_After="60")) as server:
        began = time.monotonic()
        with pytest.raises(VlmUnreachable, match="429"):
            make(server).ask(question(), DEADLINE_S)
        assert time.monotonic() - began < 1
        assert len(server.asked) == 1


def test_a_server_that_keeps_failing_is_asked_three_times(make: Make) -> None:
    with vlm_server(status(500)) as server:
        with pytest.raises(VlmUnreachable, match="500"):
            make(server).ask(question(), DEADLINE_S)
        assert len(server.asked) == 3


@pytest.mark.parametrize("behaviour", [slow(3, says(YES)), drips(completion(YES), 0.02)])
def test_the_deadline_holds_in_total(behaviour: Behaviour, make: Make) -> None:
    with vlm_server(behaviour) as server:
        client = make(server)
        began = time.monotonic()
        with pytest.raises(VlmTimeout):
            client.ask(question(), 0.5)
        assert 0.5 <= time.monotonic() - began < 1.0


def test_a_server_that_accepts_and_says_nothing(make: Make) -> None:
    with unresponsive() as address, vlm_server(YES) as server:
        began = time.monotonic()
        with pytest.raises(VlmTimeout):
            make(server, url=f"http://{address}/v1").ask(question(), 0.3)
        assert time.monotonic() - began < 0.8


@pytest.mark.process
def test_a_name_server_that_hangs_holds_up_neither_an_answer_nor_the_end_of_the_process() -> None:
    program = """
import socket, time
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.budget import CallBudget
from daemon.vlm.client import VlmClient
from daemon.vlm.errors import VlmTimeout
from daemon.vlm.types import Question
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
client = VlmClient(VlmSettings(url="http://vlm.example/v1", model="x"), CallBudget())
try:
    client.ask(Question("", {}, (), VlmSettings), 0.3)
except VlmTimeout:
    print("in time")
client.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.returncode) == ("in time\n", 0), done.stderr


def test_nobody_listens(make: Make) -> None:
    with vlm_server(YES) as server, pytest.raises(VlmUnreachable):
        make(server, url=f"http://127.0.0.1:{closed_port()}/v1").ask(question(), DEADLINE_S)


def test_a_killed_server_is_asked_again_when_it_is_back(make: Make) -> None:
    with vlm_server(YES, slow(30, says(YES))) as server, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(make(server).ask, question(), DEADLINE_S)
        server.wait(1)
        server.kill()
        server.start()
        assert waiting.result().answer == Verdict(verdict="confirmed")


@pytest.mark.parametrize(
    ("known", "forms"),
    [
        (("json_schema",), ["json_schema"]),
        (("reasoning",), ["json_schema", "reasoning"]),
        (("json_object", "text"), ["json_schema", "reasoning", "json_object"]),
        (("text",), ["json_schema", "reasoning", "json_object", "text"]),
    ],
)
def test_the_format_falls_back_and_is_remembered(known: tuple[str, ...], forms: list[str], make: Make) -> None:
    with vlm_server(knows_formats(*known, then=says(YES))) as server:
        client = make(server)
        for _ in range(2):
            client.ask(question(), DEADLINE_S)
        assert [asked.form for asked in server.asked] == [*forms, forms[-1]]
        assert all('"enum": ["confirmed", "rejected"]' in asked.system for asked in server.asked)
        server.usual = knows_formats("json_schema", then=says(YES))  # another server in its place
        if forms[-1] != "json_schema":
            with pytest.raises(VlmRefused):
                client.ask(question(), DEADLINE_S)
        client.ask(question(), DEADLINE_S)
        assert server.asked[-1].form == "json_schema"


@pytest.mark.parametrize("fenced", ["```json\n{}\n```", "```\n{}```", "  {}\n"])
def test_a_code_fence_is_no_nonsense(fenced: str, make: Make) -> None:
    with vlm_server(says(fenced.replace("{}", '{"verdict": "rejected"}'))) as server:
        assert make(server).ask(question(), DEADLINE_S).answer.verdict == "rejected"


def test_tokens_that_are_not_reported_are_estimated(make: Make) -> None:
    with vlm_server(says(YES, usage=None)) as server:
        assert 500 < make(server).ask(question(), DEADLINE_S).tokens < 2000


def test_the_calls_of_the_day_hold_for_every_request_that_is_sent(make: Make) -> None:
    with vlm_server(status(500)) as server:
        client = make(server, calls_per_day=5)
        for code in ("vlm_unreachable", "vlm_budget_spent", "vlm_budget_spent"):
            with pytest.raises(VlmError) as failure:
                client.ask(question(), DEADLINE_S)
            assert failure.value.code == code
        assert len(server.asked) == 5
        assert client.snapshot().calls_left == 0


def test_the_tokens_of_the_day_hold_also_for_nonsense(make: Make) -> None:
    with vlm_server(refuses) as server:
        client = make(server, tokens_per_day=150)
        for kind in (VlmNonsense, VlmNonsense, VlmBudgetSpent):
            with pytest.raises(kind):
                client.ask(question(), DEADLINE_S)
        assert len(server.asked) == 2
        assert client.snapshot().tokens_today == 200


def test_many_threads_ask_at_once_and_each_gets_its_own_answer(make: Make) -> None:
    class Echo(BaseModel):
        n: int

    with vlm_server(slow(0.1, says(lambda asked: {"n": asked.data["n"]}))) as server:
        client = make(server, calls_per_minute=30)
        began = time.monotonic()
        with ThreadPoolExecutor(16) as threads:
            asked = [threads.submit(client.ask, Question("Repeat n.", {"n": n}, (), Echo), 4) for n in range(40)]
            done = [one.exception() or one.result().answer.n for one in asked]
        assert time.monotonic() - began < 5
        assert len(server.asked) == 30
    assert [n for n in done if isinstance(n, int)] == [i for i, n in enumerate(done) if isinstance(n, int)]
    assert sum(isinstance(n, VlmBudgetSpent) for n in done) == 10
    seen = client.snapshot()
    assert (seen.asked, seen.answered, seen.failures, seen.tokens) == (40, 30, {"vlm_budget_spent": 10}, 3000)
    assert seen.latency.count == 30


def test_closing_ends_what_waits_for_a_server(make: Make) -> None:
    with vlm_server(slow(30, says(YES)), status(429, Retry_After="20")) as server, ThreadPoolExecutor(2) as threads:
        before = {*threading.enumerate()}
        client = make(server)
        waiting = [threads.submit(client.ask, question(), 25.0) for _ in range(2)]
        server.wait(2)
        began = time.monotonic()
        client.close()
        assert [type(one.exception()) for one in waiting] == [VlmUnreachable] * 2
        assert time.monotonic() - began < 1
        with pytest.raises(VlmUnreachable):
            client.ask(question(), DEADLINE_S)
    assert not [t for t in {*threading.enumerate()} - before if t.name == "vlm"]
