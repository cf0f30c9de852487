"""The API as a part of the HTTP application: its routes, its errors, and which routes are open."""

from collections.abc import Callable
from itertools import product
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError

from alignment.errors import WatchwordError
from daemon.alerts.links import FEEDBACK_PATH, MUTE_PATH
from daemon.api.errors import ApiError, Problem, api_error, invalid_request, watchword_error
from daemon.api.routes import cameras, docs, health, rules, session
from daemon.api.routes.events import alerts, events, feedback, media, muting, stream
from daemon.api.routes.recorded import asking, backtest, search, summary, uploads
from daemon.api.services import ApiServices
from daemon.http.guard import BODY_BYTES

PREFIX = "/api/v1"
# Routes that need no credentials, as their requests hold what they need: a token, or the signature of a link.
OPEN = frozenset({("POST", f"{PREFIX}/session"), *product(("GET", "HEAD", "POST"), (MUTE_PATH, FEEDBACK_PATH))})
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "The request is refused, with a code and what to do."}
}


def is_open_route(method: str, path: str) -> bool:
    """Return whether a route of the API needs no credentials."""
    return (method, path) in OPEN


def body_bytes(services: ApiServices) -> Callable[[str], int]:
    """Return a function from a path to the most bytes of its body: files that are uploaded are large."""

    def most(path: str) -> int:
        """Return the most bytes of the body of a request to a path."""
        if path == f"{PREFIX}/search":
            return search.IMAGE_BYTES
        return max(BODY_BYTES, uploads.upload_bytes(services)) if path == f"{PREFIX}/uploads" else BODY_BYTES

    return most


def add_api(app: FastAPI, services: ApiServices) -> None:
    """Add the routes of the API to an application."""
    app.state.api = services
    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(WatchwordError, watchword_error)
    app.add_exception_handler(RequestValidationError, invalid_request)
    api = APIRouter(responses=REFUSALS)
    seen = (cameras, rules, backtest, events, feedback, media, search, asking, stream, summary)
    for part in (session, *seen, alerts, muting, uploads, health, docs):
        api.include_router(part.router)
    app.include_router(api, prefix=PREFIX)  # given here: else FastAPI builds every route now and again later
