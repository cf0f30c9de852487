"""HTTP to one server under a deadline in total.

Time limits of HTTP libraries count from one byte to the next, so a server that drips could hold a thread for ever. So
requests run in an event loop, and the caller waits as long as it wants to.
"""

import asyncio
import concurrent.futures
import functools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from daemon.config.sections.http import LOOPBACK
from daemon.config.sections.verifier import VlmSettings
from daemon.vlm.errors import VlmInterrupted, VlmNonsense, VlmTimeout, VlmUnreachable

MAX_BYTES = 65_536  # of an answer
MAX_STREAM_BYTES = 524_288  # of one that is streamed, with some 250 bytes around each token
CLOSE_S = 1.0
LOOK_S = 0.1  # between two looks whether the answer is still wanted


_tls = functools.cache(httpx.create_ssl_context)  # takes a third of a second


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, the header ``Retry-After`` and the body of an answer."""

    status: int
    retry_after: str
    body: bytes


class _NameLookups(concurrent.futures.ThreadPoolExecutor):
    """Runs each lookup of a name in a thread that the end of the process does not wait for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # boundary: the future hands it to the caller
                future.set_exception(error)

        if future.set_running_or_notify_cancel():
            threading.Thread(target=run, name="vlm-name", daemon=True).start()
        return future


class Connection:
    """Posts to the chat completions of one server, from any number of threads. Follows no redirect."""

    def __init__(self, settings: VlmSettings) -> None:
        self._shown, parts = str(settings.url), urlsplit(settings.url.reveal())
        self._url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions"))
        headers = {"user-agent": f"watchword/{metadata.version('watchword')}", "accept-encoding": "identity"}
        headers |= {"content-type": "application/json"}
        if settings.key is not None:
            headers["authorization"] = f"Bearer {settings.key.get_secret_value()}"
        proxied = parts.hostname not in LOOPBACK  # what goes to this machine must not leave it
        self._http = httpx.AsyncClient(headers=headers, verify=_tls(), timeout=None, trust_env=proxied)
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(_NameLookups())
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vlm", daemon=True)
        self._thread.start()

    def post(self, body: bytes, timeout_s: float, gives_way: Callable[[], bool] = lambda: False) -> Answer:
        """Return the answer; raise ``VlmUnreachable``, ``VlmTimeout``, or ``VlmNonsense`` if it is too long.

        Once ``gives_way`` returns true, close the connection, so that the server stops, and raise ``VlmInterrupted``.
        """
        if self._closed.is_set():
            raise VlmUnreachable(f"the connection to {self._shown} was closed")
        exchange, end = asyncio.run_coroutine_threadsafe(self._exchange(body), self._loop), time.monotonic() + timeout_s
        try:
            while not concurrent.futures.wait([exchange], max(0.0, min(LOOK_S, end - time.monotonic()))).done:
                if gives_way():
                    raise VlmInterrupted(f"a question to {self._shown} gave way")
                if time.monotonic() >= end:
                    raise VlmTimeout(f"no answer from {self._shown} in time")
            return exchange.result()
        except concurrent.futures.CancelledError:
            raise VlmUnreachable(f"the connection to {self._shown} was closed") from None
        finally:
            exchange.cancel()

    def pause(self, seconds: float) -> None:
        """Wait; raise ``VlmUnreachable`` if the connection is closed meanwhile."""
        if self._closed.wait(seconds):
            raise VlmUnreachable(f"the connection to {self._shown} was closed")

    def close(self) -> None:
        """End all requests."""
        if self._closed.is_set():
            return
        self._closed.set()
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _exchange(self, body: bytes) -> Answer:
        content, most = bytearray(), MAX_BYTES
        try:
            async with self._http.stream("POST", self._url, content=body) as response:
                if response.headers.get("content-type", "").startswith("text/event-stream"):
                    most = MAX_STREAM_BYTES
                async for piece in response.aiter_raw():
                    content += piece
                    if len(content) > most:
                        break
        except httpx.HTTPError:
            raise VlmUnreachable(f"no connection to {self._shown}, or it broke") from None
        if len(content) > most and response.is_success:
            raise VlmNonsense(f"{self._shown} answers with more than {most} bytes")
        return Answer(response.status_code, response.headers.get("retry-after", ""), bytes(content))

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._http.aclose()
