"""Admission of requests: rate, credentials, origin, host and size are checked before routing; security headers.

Without credentials configured only this machine can connect; but so could a web page shown on it, under a name that
resolves to 127.0.0.1 (DNS rebinding). Such a page cannot choose the Host header. A page of another site may send
requests that carry a session's cookie (CSRF): what is not safe needs a header that such a page cannot set.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

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
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-watchword"

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


def usual_body_bytes(_path: str) -> int:
    """Return the longest body of a request."""
    return BODY_BYTES


MESSAGES = {
    "body_too_large": "send less at once; a file may have at most uploads.max_size",
    "body_too_slow": "the next part of the body did not come in time; send it again",
    "cross_site": "the request was sent by a page of another site",
    "csrf_header_missing": "send the header `X-Watchword: 1`, or a bearer token instead of a session",
    "head_too_large": "send shorter headers or a shorter URL",
    "host_not_allowed": "without a token, use the address 127.0.0.1 or localhost; else configure http.token",
    "not found": "there is no such path; /api/v1/docs lists the API",
    "permission_missing": "the token lacks a permission: add it to its `may` in the configuration",
    "token_required": "send `Authorization: Bearer TOKEN`, or log in",
    "too_many_requests": "wait as long as the header Retry-After says",
}
"""What to do, by the code of a refusal."""


async def refused(_request: Request, error: Exception) -> Response:
    """Return the response to a refused request: a code, and what to do."""
    assert isinstance(error, HTTPException)
    code, _, what = str(error.detail).partition(": ")
    message = MESSAGES.get(code.lower(), "")
    shown = f"{what}: {message}" if what and message else what or message or code
    return JSONResponse({"error": code.lower().replace(" ", "_"), "message": shown}, error.status_code, error.headers)


class Guard:
    """The outermost application. Loopback is never limited: a health check must always get through."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        clock: Clock | None = None,
        is_public: Callable[[str, str], bool] = nothing_public,
        body_bytes: Callable[[str], int] = usual_body_bytes,
    ) -> None:
        self._app, self._access, self._is_public, self._body_bytes = app, access, is_public, body_bytes
        self._requests, self._failures = RateLimit(*REQUESTS, clock), RateLimit(*FAILURES, clock)
        self._logins = RateLimit(*FAILURES, clock)
        self._limits = RequestLimits(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":  # nothing else is served
            return

        async def send_with_headers(message: Message) -> None:
            """Add the security headers to a response."""
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
            is_open = self._is_public(scope["method"], scope["path"])
            principal = self._admit(headers, scope, client)
            receive = _bounded(headers, receive, self._body_bytes(scope["path"]))
            check_origin(scope["method"], headers, principal.ambient and not is_open)
        except HTTPException as error:
            await (await refused(Request(scope), error))(scope, receive, send_with_headers)
            return
        with self._limits.request(client) as begin:
            login = LoginAttempts(self._logins, client_key(address))
            scope.setdefault("state", {}).update(principal=principal, begin=begin, login=login)
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
            guessed = "authorization" in headers  # who sends nothing, or an old cookie, guesses no token
            if client and guessed and not self._failures.take(client) and self._failures.wait(client):
                log.warning("too many wrong credentials: requests of this client are refused for now", client=client)
            raise HTTPException(401, "token_required", {"www-authenticate": "Bearer"})
        if self._access.is_open and _host_name(headers.get("host", "")) not in LOOPBACK:
            raise HTTPException(421, "host_not_allowed")
        return principal


@dataclass(frozen=True, slots=True)
class LoginAttempts:
    """Counts the wrong tokens with which one client tries to log in, this machine's as well."""

    limit: RateLimit
    client: str

    def check(self) -> None:
        """Raise ``HTTPException`` 429 while there have been too many."""
        if wait := self.limit.wait(self.client):
            raise too_many_requests(wait)

    def failed(self) -> None:
        """Count a wrong token."""
        if not self.limit.take(self.client) and self.limit.wait(self.client):
            log.warning("too many wrong tokens: no login of this client for now", client=self.client)


def check_origin(method: str, headers: Headers, ambient: bool) -> None:
    """Refuse a request that changes something, if a page of another site may have sent it; raise ``HTTPException``.

    A browser says where a request comes from. Where it is served because of credentials that go along by themselves
    (``ambient``), a header is needed as well that a page can set on requests to its own site only.
    """
    if method in SAFE_METHODS:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    if foreign:
        raise HTTPException(403, "cross_site")
    if ambient and headers.get(CSRF_HEADER) != "1":
        raise HTTPException(403, "csrf_header_missing")


def _is_local(scope: Scope) -> bool:
    """Return whether the client is this machine: by loopback, or from the same address to which it connected."""
    address = client_address(scope["client"])
    return address is not None and (address.is_loopback or address == client_address(scope["server"]))


def _check_head(scope: Scope) -> None:
    """Refuse a long head: uvicorn refuses only one that does not arrive at once."""
    parts = [*itertools.chain.from_iterable(scope["headers"]), scope["path"], scope["query_string"]]
    if sum(map(len, parts)) > HEAD_BYTES:
        raise HTTPException(431, "head_too_large")


def _bounded(headers: Headers, receive: Receive, most: int) -> Receive:
    """Return a ``receive`` that raises ``HTTPException`` for a body that is too large, or arrives with long pauses."""
    told = headers.get("content-length", "0")
    if told.isdecimal() and int(told) > most:
        raise HTTPException(413, "body_too_large")
    size, more = 0, True

    async def bounded() -> Message:
        """Receive the next part of the body; refuse one that is too large (413) or too slow (408)."""
        nonlocal size, more
        if not more:  # the application waits for the client to disconnect, which may take long
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_PAUSE_S)
        except TimeoutError:
            raise HTTPException(408, "body_too_slow", {"connection": "close"}) from None
        size += len(message.get("body", b""))
        more = bool(message.get("more_body", False))
        if size > most:
            raise HTTPException(413, "body_too_large", {"connection": "close"})
        return message

    return bounded


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
