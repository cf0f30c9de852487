"""Admission of requests: rate, credentials, host and size are checked before the application; security headers.

Without credentials configured only this machine can connect; but so could a web page shown on it, under a name that
resolves to 127.0.0.1 (DNS rebinding). Such a page cannot choose the Host header.
"""

import asyncio
import itertools
from collections.abc import Callable

import structlog
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.config.sections.http import LOOPBACK
from daemon.http.access import Access, Principal, client_address
from daemon.http.connections import HEAD_BYTES
from daemon.http.limits import RequestLimits, too_many_requests
from daemon.http.rate import RateLimit, client_key
from workers.clock import Clock

BODY_BYTES = 1 << 20
BODY_PAUSE_S = 10.0  # for the next part of a body
REQUESTS = (600, 120.0)  # of all classes, from one address: at once, and a second
FAILURES = (20, 1 / 3)  # wrong credentials from one address: 20 at once, 20 a minute

LIVE_PATH = "/livez"  # one bit, for this machine's supervisor, which needs no token
PROBE = Principal("probe", frozenset())
VISITOR = Principal("visitor", frozenset(), frozenset())  # without credentials, at a route that needs none

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

log = structlog.get_logger()


def nothing_public(_method: str, _path: str) -> bool:
    """Return False: every route needs credentials."""
    return False


async def refused(_request: Request, error: Exception) -> Response:
    """Return the response to a refused request: the reason as JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class Guard:
    """The outermost application. Loopback is never limited: a health check must always get through."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        clock: Clock | None = None,
        is_public: Callable[[str, str], bool] = nothing_public,
    ) -> None:
        self._app, self._access, self._is_public = app, access, is_public
        self._requests, self._failures = RateLimit(*REQUESTS, clock), RateLimit(*FAILURES, clock)
        self._limits = RequestLimits(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":  # nothing else is served
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)  # a route may set its own, such as how long a file may be kept
            await send(message)

        headers, address = Headers(scope=scope), client_address(scope["client"])
        here = bool(address and address.is_loopback)
        client = None if here or self._access.is_proxy(address) else client_key(address)
        try:
            _check_head(scope)
            principal = self._admit(headers, scope, client)
            receive = _bounded(headers, receive)
        except HTTPException as error:
            await (await refused(Request(scope), error))(scope, receive, send_with_headers)
            return
        with self._limits.request(client) as begin:
            scope.setdefault("state", {}).update(principal=principal, begin=begin)
            await self._app(scope, receive, send_with_headers)

    def _admit(self, headers: Headers, scope: Scope, client: str | None) -> Principal:
        """Return who sends a request; ``client``: whom to count it under, None: nobody. Raise ``HTTPException``."""
        if client and (wait := self._requests.take(client) or self._failures.wait(client)):
            raise too_many_requests(wait)
        address = client_address(scope["client"])
        principal = self._access.identify(headers, address)
        if principal is None and scope["path"] == LIVE_PATH and _is_local(scope):
            return PROBE
        if principal is None and self._is_public(scope["method"], scope["path"]):
            return VISITOR
        if principal is None:
            if client and not self._failures.take(client) and self._failures.wait(client):
                log.warning("too many wrong credentials: requests of this client are refused for now", client=client)
            raise HTTPException(401, "token_required", {"www-authenticate": "Bearer"})
        if self._access.is_open and _host_name(headers.get("host", "")) not in LOOPBACK:
            raise HTTPException(421, "host_not_allowed")
        return principal


def _is_local(scope: Scope) -> bool:
    """Return whether the client is this machine: by loopback, or from the same address to which it connected."""
    address = client_address(scope["client"])
    return address is not None and (address.is_loopback or address == client_address(scope["server"]))


def _check_head(scope: Scope) -> None:
    """Refuse a long head: uvicorn refuses only one that does not arrive at once."""
    parts = [*itertools.chain.from_iterable(scope["headers"]), scope["path"], scope["query_string"]]
    if sum(map(len, parts)) > HEAD_BYTES:
        raise HTTPException(431, "head_too_large")


def _bounded(headers: Headers, receive: Receive) -> Receive:
    """Return a ``receive`` that raises ``HTTPException`` for a body that is too large, or arrives with long pauses."""
    told = headers.get("content-length", "0")
    if told.isdecimal() and int(told) > BODY_BYTES:
        raise HTTPException(413, "body_too_large")
    size, more = 0, True

    async def bounded() -> Message:
        nonlocal size, more
        if not more:  # the application waits for the client to disconnect, which may take long
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_PAUSE_S)
        except TimeoutError:
            raise HTTPException(408, "body_too_slow", {"connection": "close"}) from None
        size += len(message.get("body", b""))
        more = bool(message.get("more_body", False))
        if size > BODY_BYTES:
            raise HTTPException(413, "body_too_large", {"connection": "close"})
        return message

    return bounded


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
