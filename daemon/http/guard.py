"""What every request passes before anything else sees it: rate, credentials, host, size; and the security headers.

Without credentials configured only this machine can connect; but so could a web page that it shows, under a name that
resolves to 127.0.0.1 (DNS rebinding). Such a page cannot choose the Host header.
"""

import asyncio
import itertools

import structlog
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.config.http import LOOPBACK
from daemon.http.access import Access, Principal, client_address
from daemon.http.connections import HEAD_BYTES
from daemon.http.rate import RateLimit, client_key

BODY_BYTES = 1 << 20
BODY_PAUSE_S = 10.0  # for the next part of a body
REQUESTS = (100, 20.0)  # at once, and a second, from one address
FAILURES = (20, 1 / 3)  # wrong credentials, the same way: 20 at once, 20 a minute

LIVE_PATH = "/livez"  # one bit, for this machine's supervisor, who need not have a token
PROBE = Principal("probe", frozenset())

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

log = structlog.get_logger()


async def refused(_request: Request, error: Exception) -> Response:
    """Return the answer to a request that was refused: its reason as JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


class Guard:
    """The outermost application. Loopback is never limited: a health check must always get through."""

    def __init__(
        self, app: ASGIApp, access: Access, requests: RateLimit | None = None, failures: RateLimit | None = None
    ) -> None:
        self._app, self._access = app, access
        self._requests = requests or RateLimit(*REQUESTS)
        self._failures = failures or RateLimit(*FAILURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":  # nothing else is served
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        try:
            _check_head(scope)
            scope.setdefault("state", {})["principal"] = self._admit(headers, scope)
            receive = _bounded(headers, receive)
        except HTTPException as error:
            await (await refused(Request(scope), error))(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _admit(self, headers: Headers, scope: Scope) -> Principal:
        """Return who asks; raise ``HTTPException``."""
        address = client_address(scope["client"])
        here = bool(address and address.is_loopback)
        limited, client = not here and not self._access.is_proxy(address), client_key(address)
        if limited and (wait := self._requests.take(client) or self._failures.wait(client)):
            raise _slow_down(wait)
        principal = self._access.identify(headers, address)
        if principal is None and scope["path"] == LIVE_PATH and (here or _from_itself(scope)):
            return PROBE
        if principal is None:
            if limited and not self._failures.take(client) and self._failures.wait(client):
                log.warning("too many wrong credentials, not listening to it for a while", client=client)
            raise HTTPException(401, "token_required", {"www-authenticate": "Bearer"})
        if self._access.is_open and _host_name(headers.get("host", "")) not in LOOPBACK:
            raise HTTPException(421, "host_not_allowed")
        return principal


def _from_itself(scope: Scope) -> bool:
    """Tell whether a connection came from the very address that it came to: from elsewhere none does."""
    address = client_address(scope["client"])
    return address is not None and address == client_address(scope["server"])


def _slow_down(wait_s: int) -> HTTPException:
    return HTTPException(429, "too_many_requests", {"retry-after": str(wait_s)})


def _check_head(scope: Scope) -> None:
    """Refuse a long head: uvicorn refuses only one that does not come at once."""
    parts = [*itertools.chain.from_iterable(scope["headers"]), scope["path"], scope["query_string"]]
    if sum(map(len, parts)) > HEAD_BYTES:
        raise HTTPException(431, "head_too_large")


def _bounded(headers: Headers, receive: Receive) -> Receive:
    """Return ``receive`` for a body of bounded size that comes without long pauses; else ``HTTPException``."""
    told = headers.get("content-length", "0")
    if told.isdecimal() and int(told) > BODY_BYTES:
        raise HTTPException(413, "body_too_large")
    size, more = 0, True

    async def bounded() -> Message:
        nonlocal size, more
        if not more:  # waiting for the client to go away may take long
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
