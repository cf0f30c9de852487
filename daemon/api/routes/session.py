"""Login of a page by token, logout, and what a client may do."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field, SecretStr

from daemon.api.errors import ApiError
from daemon.api.services import Api
from daemon.config.sections.http import Permission
from daemon.http.access import Principal
from daemon.http.guard import VISITOR, LoginAttempts
from daemon.http.limits import RouteClass, limited
from daemon.http.sessions import COOKIE, LASTS_S

router = APIRouter(tags=["session"], dependencies=[limited(RouteClass.API)])


class Login(BaseModel):
    """A token from the configuration."""

    token: Annotated[SecretStr, Field(max_length=500)]


class Me(BaseModel):
    """What the client of this request may do."""

    name: str = Field(description="Name of the token, or of the proxy's user; `loopback` where none is configured.")
    may: tuple[Permission, ...]
    cameras: tuple[str, ...] | None = Field(description="Cameras that it may know of; null: all.")


@router.post("/session", status_code=204)
def log_in(login: Login, request: Request, api: Api) -> Response:
    """Begin a session of 30 days: the response sets a cookie. Needs the header `Content-Type: application/json`."""
    attempts: LoginAttempts = request.state.login
    attempts.check()
    try:
        cookie = api.access.log_in(login.token.get_secret_value())
    except OSError as error:
        text = f"the session cannot be kept: {error.strerror or error}"
        raise ApiError(503, "session_not_kept", f"{text}; free room in the state folder") from error
    if cookie is None:
        attempts.failed()
        raise ApiError(401, "token_wrong", "the token is not one of the configuration's (http.token, http.tokens)")
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE, cookie, max_age=LASTS_S, path="/", secure=_is_https(request), httponly=True, samesite="strict"
    )
    return response


@router.delete("/session", status_code=204)
def log_out(request: Request, api: Api) -> Response:
    """End the session of the cookie."""
    if (cookie := request.cookies.get(COOKIE)) is not None:
        try:
            api.access.sessions.end(cookie)
        except OSError as error:
            text = f"the end of the session cannot be kept: {error.strerror or error}"
            raise ApiError(503, "session_not_kept", f"{text}; free room in the state folder") from error
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", secure=_is_https(request), httponly=True, samesite="strict")
    return response


async def _anybody(request: Request) -> Principal:
    principal: Principal = request.state.principal
    if principal is VISITOR:
        raise HTTPException(401, "token_required", {"www-authenticate": "Bearer"})
    return principal


@router.get("/me", response_model=Me)
async def me(principal: Annotated[Principal, Depends(_anybody)]) -> Me:
    """Return what the client may do."""
    cameras = None if principal.cameras is None else tuple(sorted(principal.cameras))
    return Me(name=principal.name, may=tuple(sorted(principal.may)), cameras=cameras)


def _is_https(request: Request) -> bool:
    """Return whether the browser sees HTTPS; a proxy may do it in front of this server."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
