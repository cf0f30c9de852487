"""A server of the OpenAI chat protocol on the loopback interface that answers as a script says, also wrongly.

``VlmServer.script`` holds what is done with the next requests, one after the other; then ``usual`` is done with each.
"""

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from daemon.config.sections.verifier import VlmSettings
from tests.support.clocks import wait_until

USAGE = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def texts(self) -> list[str]:
        """Return the texts of the user's message: the data, then a caption for each picture."""
        return [part["text"] for part in self.body["messages"][1]["content"] if part["type"] == "text"]

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.texts[0]))

    @property
    def jpegs(self) -> list[bytes]:
        parts = [part for part in self.body["messages"][1]["content"] if part["type"] == "image_url"]
        return [base64.b64decode(part["image_url"]["url"].partition(",")[2]) for part in parts]

    @property
    def form(self) -> str:
        if "max_completion_tokens" in self.body:
            return "reasoning"
        return str(self.body.get("response_format", {}).get("type", "text"))


Request = BaseHTTPRequestHandler
Behaviour = Callable[[Request, Asked], None]


def completion(content: Any, finish: str = "stop", usage: Any = USAGE, **message: Any) -> bytes:
    """Return a chat completion; ``content`` is the text, or what becomes one as JSON."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    choice = {"index": 0, "message": {"role": "assistant", "content": text} | message, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def reply(request: Request, body: bytes, status: int = 200, headers: Mapping[str, str] = {}) -> None:
    request.send_response(status)
    for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | dict(headers)).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def says(content: Any, **more: Any) -> Behaviour:
    """Answer with a text or JSON, or with what a function makes of the question."""

    def behave(request: Request, asked: Asked) -> None:
        reply(request, completion(content(asked) if callable(content) else content, **more))

    return behave


def judges(
    truth: Callable[[Asked], bool],
    answer: Callable[[bool], Any],
    sensitivity: float = 0.9,
    specificity: float = 0.9,
    seed: int = 0,
) -> Behaviour:
    """Answer rightly with a known probability: of what is true ``sensitivity``, of what is false ``specificity``."""
    rng, mutex = random.Random(seed), threading.Lock()

    def decide(asked: Asked) -> Any:
        right = truth(asked)
        with mutex:
            return answer(right is (rng.random() < (sensitivity if right else specificity)))

    return says(decide)


def status(code: int, body: bytes = b"{}", **headers: str) -> Behaviour:
    """Answer with a status; headers as ``Retry_After="1"``."""
    return lambda request, _: reply(request, body, code, {k.replace("_", "-"): v for k, v in headers.items()})


def slow(seconds: float, then: Behaviour) -> Behaviour:
    """Answer late."""

    def behave(request: Request, asked: Asked) -> None:
        time.sleep(seconds)
        then(request, asked)

    return behave


def never(request: Request, asked: Asked) -> None:
    """Think until the client is gone, and answer nothing."""
    request.connection.recv(1)
    lost(request, asked)


def drips(body: bytes, every_s: float = 0.05) -> Behaviour:
    """Send the whole answer, header and all, byte by byte."""

    def behave(request: Request, _: Asked) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body:
            request.wfile.write(bytes([byte]))
            time.sleep(every_s)

    return behave


def knows_formats(*known: str, then: Behaviour) -> Behaviour:
    """Answer with status 400 to a form of request that is not ``known``: json_schema, reasoning, json_object, text."""
    refuse = status(400, b'{"error": {"message": "parameter is not supported"}}')
    return lambda request, asked: (then if asked.form in known else refuse)(request, asked)


def half_a_json(request: Request, asked: Asked) -> None:
    """Answer with a completion whose text ends within the JSON."""
    reply(request, completion('{"verdict": "conf', finish="length"))


def cut_off(request: Request, asked: Asked) -> None:
    """Promise more than is sent, and close."""
    body = completion("{}")
    reply(request, body[: len(body) // 2], headers={"Content-Length": str(len(body))})
    request.close_connection = True


def lost(request: Request, asked: Asked) -> None:
    """Close without an answer."""
    request.close_connection = True


def huge(request: Request, asked: Asked) -> None:
    """Answer with a megabyte."""
    reply(request, completion("x" * 1_000_000))


def streams(content: Any) -> Behaviour:
    """Answer with a stream of tokens, although none was asked for: two letters each, and at the end what it cost."""
    text = content if isinstance(content, str) else json.dumps(content)
    deltas: list[Any] = [{"role": "assistant", "content": None}]
    deltas += [{"content": text[at : at + 2]} for at in range(0, len(text), 2)]
    pieces: list[Any] = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    pieces += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": USAGE}]
    lines = [": a comment", *(f"data: {json.dumps(piece)}" for piece in pieces), "data: [DONE]", ""]
    return status(200, "\r\n\r\n".join(lines).encode(), Content_Type="text/event-stream; charset=utf-8")


refuses = says("I'm sorry, but I cannot help with that.")
declines = says(None, refusal="I cannot judge people.")
other_language = says({"Urteil": "bestätigt", "Begründung": "Eine Person klettert über den Zaun."})


@dataclass
class VlmServer:
    """The server; ``asked`` are all requests."""

    usual: Behaviour
    script: list[Behaviour] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    _server: ThreadingHTTPServer | None = None
    _open: set[socket.socket] = field(default_factory=set)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def settings(self, **more: Any) -> VlmSettings:
        return VlmSettings.model_validate({"url": self.url, "model": "tiny", "timeout": 5} | more)

    def start(self) -> "VlmServer":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer._open.add(self.request)
                super().setup()

            def finish(self) -> None:
                outer._open.discard(self.request)
                with suppress(OSError):
                    super().finish()

            def do_POST(self) -> None:
                with suppress(OSError):
                    outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass  # a client that goes away

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def kill(self) -> None:
        """Die: open connections break, new ones are refused, until ``start``."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait(self, count: int, timeout_s: float = 30) -> list[Asked]:
        """Wait for so many requests."""
        wait_until(lambda: len(self.asked) >= count, timeout_s)
        return self.asked

    def _answer(self, request: Request) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        asked = Asked(request.path, {k.lower(): v for k, v in request.headers.items()}, body)
        with self._mutex:
            self.asked.append(asked)
            behave = self.script.pop(0) if self.script else self.usual
        behave(request, asked)


@contextmanager
def vlm_server(usual: Any, *script: Behaviour) -> Iterator[VlmServer]:
    """Yield a server that does what the script says, and then the usual: a behaviour, or what is answered."""
    server = VlmServer(usual if callable(usual) else says(usual), list(script)).start()
    try:
        yield server
    finally:
        server.kill()
