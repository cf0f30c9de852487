"""Who may use a route: dependencies that return the principal of a request, or refuse it."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from daemon.config.sections.http import Permission
from daemon.http.access import Principal


def _with(needed: Permission) -> Callable[[Request], Awaitable[Principal]]:
    async def principal_of(request: Request) -> Principal:
        """Return who asks, or refuse with 403."""
        principal: Principal = request.state.principal
        if needed not in principal.may:
            raise HTTPException(403, f"permission_missing: {needed}")
        return principal

    return principal_of


Viewer = Annotated[Principal, Depends(_with("view"))]
Editor = Annotated[Principal, Depends(_with("edit"))]
Uploader = Annotated[Principal, Depends(_with("upload"))]
HealthReader = Annotated[Principal, Depends(_with("health"))]
