"""What can be asked for. Each path says which permission it needs, and shows only the cameras of who asks."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp

from daemon.config.http import Permission
from daemon.health import HealthReport, health, ready
from daemon.http.access import Access, Principal
from daemon.http.guard import LIVE_PATH, PROBE, Guard, refused
from daemon.logs import redact
from daemon.metrics import CONTENT_TYPE, render_metrics
from daemon.snapshots import DaemonSnapshot
from workers.clock import SystemClock


def build_app(get_snapshot: Callable[[], DaemonSnapshot], access: Access) -> ASGIApp:
    """Return the application behind its guard."""
    app = FastAPI(title="Watchword", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(Exception, _failed)
    health_view, metrics_view = _view(get_snapshot, "health"), _view(get_snapshot, "metrics")

    @app.get("/healthz", tags=["health"])
    def healthz(seen: Annotated[DaemonSnapshot, Depends(health_view)]) -> Response:
        """Answer 200 while everything gets on, else 503."""
        return _answer(health(seen, SystemClock()))

    @app.get(LIVE_PATH, tags=["health"], status_code=204)
    def livez(request: Request) -> Response:
        """Answer 204 while everything gets on, else 503, and tell nothing else; this machine needs no token."""
        principal: Principal = request.state.principal
        seen = get_snapshot() if principal is PROBE else health_view(request)
        return Response(status_code=204 if health(seen, SystemClock()).ok else 503)

    @app.get("/readyz", tags=["health"])
    def readyz(seen: Annotated[DaemonSnapshot, Depends(health_view)]) -> Response:
        """Answer 200 once models are loaded and events can be kept, else 503."""
        return _answer(ready(seen, SystemClock()))

    @app.get("/metrics", tags=["health"])
    def metrics(seen: Annotated[DaemonSnapshot, Depends(metrics_view)]) -> Response:
        """Answer with Prometheus metrics."""
        return Response(render_metrics(seen), media_type=CONTENT_TYPE)

    return Guard(app, access)


def _view(get_snapshot: Callable[[], DaemonSnapshot], needed: Permission) -> Callable[[Request], DaemonSnapshot]:
    """Return a dependency: what the one who asks may see, or 403 without the permission."""

    def view(request: Request) -> DaemonSnapshot:
        principal: Principal = request.state.principal
        if needed not in principal.may:
            raise HTTPException(403, f"permission_missing: {needed}")
        return principal.view(get_snapshot())

    return view


def _answer(report: HealthReport) -> Response:
    return JSONResponse(redact(report.as_json()), status_code=200 if report.ok else 503)


async def _failed(_request: Request, _error: Exception) -> Response:
    """Answer an unexpected error without telling it: the log has it."""
    return JSONResponse({"error": "internal"}, 500)
