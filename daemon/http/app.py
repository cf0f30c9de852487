"""The routes. Each names its class of limits and its permission, and shows only the cameras of the principal."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp

from daemon.config.sections.http import Permission
from daemon.http.access import Access, Principal
from daemon.http.guard import LIVE_PATH, PROBE, Guard, nothing_public, refused, usual_body_bytes
from daemon.http.limits import RouteClass, limited
from daemon.logs.setup import redact
from daemon.observability.health import HealthReport, health, is_alive, ready
from daemon.observability.metrics import CONTENT_TYPE, render_metrics
from daemon.observability.snapshot import DaemonSnapshot
from workers.clock import SystemClock


def build_app(
    get_snapshot: Callable[[], DaemonSnapshot],
    access: Access,
    routers: Sequence[APIRouter] = (),
    is_public: Callable[[str, str], bool] = nothing_public,
    extend: Callable[[FastAPI], None] = lambda app: None,
    body_bytes: Callable[[str], int] = usual_body_bytes,
) -> ASGIApp:
    """Return the application behind its guard.

    ``routers`` are further routes, ``extend`` adds more. ``is_public`` returns whether a method and path need no
    credentials, ``body_bytes`` how many bytes a path's body may have.
    """
    app = FastAPI(title="Watchword", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(Exception, _failed)
    probe = [limited(RouteClass.PROBE)]
    health_view, metrics_view = _view(get_snapshot, "health"), _view(get_snapshot, "metrics")

    @app.get("/healthz", tags=["health"], dependencies=probe)
    def healthz(seen: Annotated[DaemonSnapshot, Depends(health_view)]) -> Response:
        """Return 200 while everything makes progress and not all cameras are down, else 503."""
        return _response(health(seen, SystemClock()))

    @app.get(LIVE_PATH, tags=["health"], dependencies=probe, status_code=204)
    def livez(request: Request) -> Response:
        """Return 204 while everything makes progress, else 503, without details; this machine needs no token."""
        principal: Principal = request.state.principal
        seen = get_snapshot() if principal is PROBE else health_view(request)
        return Response(status_code=204 if is_alive(seen, SystemClock()) else 503)

    @app.get("/readyz", tags=["health"], dependencies=probe)
    def readyz(seen: Annotated[DaemonSnapshot, Depends(health_view)]) -> Response:
        """Return 200 once models are loaded and events can be kept, else 503."""
        return _response(ready(seen, SystemClock()))

    @app.get("/metrics", tags=["health"], dependencies=[limited(RouteClass.METRICS)])
    def metrics(seen: Annotated[DaemonSnapshot, Depends(metrics_view)]) -> Response:
        """Return Prometheus metrics."""
        return Response(render_metrics(seen), media_type=CONTENT_TYPE)

    for router in routers:
        app.include_router(router)
    extend(app)
    return Guard(app, access, is_public=is_public, body_bytes=body_bytes)


def _view(get_snapshot: Callable[[], DaemonSnapshot], needed: Permission) -> Callable[[Request], DaemonSnapshot]:
    """Return a dependency: the part of the snapshot that the principal may see, or 403 without the permission."""

    def view(request: Request) -> DaemonSnapshot:
        """Return what the principal of a request may see."""
        principal: Principal = request.state.principal
        if needed not in principal.may:
            raise HTTPException(403, f"permission_missing: {needed}")
        return principal.view(get_snapshot())

    return view


def _response(report: HealthReport) -> Response:
    return JSONResponse(redact(report.as_json()), status_code=200 if report.ok else 503)


async def _failed(_request: Request, _error: Exception) -> Response:
    """Return 500 without details of the error: the log has them."""
    return JSONResponse({"error": "internal", "message": "an unexpected error: the daemon's log has it"}, 500)
