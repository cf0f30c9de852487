"""Errors of the API: a status, a code for programs, and for people what to do."""

from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from alignment.errors import WatchwordError
from daemon.logs.setup import redact
from workers.errors import EventLogError


class Problem(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="A code that does not change.")
    message: str = Field(description="What is wrong and what to do.")


class ApiError(Exception):
    """A request that cannot be served. ``more``: further fields of the document."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.headers = status, headers
        self.document = {"error": code, "message": message, **more}


def not_found(what: str) -> ApiError:
    """Return the error of something that does not exist, or that the principal may not know of."""
    return ApiError(404, "not_found", f"there is no such {what}")


async def api_error(_request: Request, error: Exception) -> Response:
    """Return the response to an ``ApiError``."""
    assert isinstance(error, ApiError)
    return JSONResponse(redact(error.document), error.status, error.headers)


async def watchword_error(_request: Request, error: Exception) -> Response:
    """Return the response to an error of ours that no route expected: 503, as nothing is wrong with the request."""
    assert isinstance(error, WatchwordError)
    what = f"{error.message}; {error.hint}" if error.hint else error.message
    code = "event_log_unreadable" if isinstance(error, EventLogError) else error.code
    return JSONResponse(redact({"error": code, "message": what}), 503, {"retry-after": "5"})


async def invalid_request(_request: Request, error: Exception) -> Response:
    """Return which parameters are wrong, without what was given: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    problems = [{"at": ".".join(map(str, one["loc"])), "message": str(one["msg"])} for one in error.errors()]
    first = f"{problems[0]['at']}: {problems[0]['message']}" if problems else "the request is not valid"
    return JSONResponse(redact({"error": "invalid_request", "message": first, "problems": problems}), 422)
