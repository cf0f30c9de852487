"""Health in detail, as JSON that is always given; probes have ``/healthz``, ``/readyz`` and ``/livez``."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from daemon.api.permissions import HealthReader
from daemon.api.services import Api
from daemon.http.limits import RouteClass, limited
from daemon.logs.setup import redact
from daemon.observability.health import health as report_of
from daemon.observability.health import ready as readiness_of
from workers.clock import SystemClock

router = APIRouter(tags=["health"], dependencies=[limited(RouteClass.API)])


class Health(BaseModel):
    """How the daemon does; as `/healthz`."""

    status: str = Field(description="ok, degraded or failing.")
    ready: bool = Field(description="Models are loaded, and events can be kept.")
    problems: tuple[str, ...]
    down: tuple[str, ...] = Field(description="Cameras that give nothing.")
    cameras: dict[str, Any]
    encoder: dict[str, Any]
    publisher: dict[str, Any] | None = None
    speech: dict[str, Any] | None = None


@router.get("/health", responses={200: {"model": Health}})
def health(principal: HealthReader, api: Api) -> JSONResponse:
    """Return how the daemon does; 200 also where it fails."""
    seen, clock = principal.view(api.snapshot()), SystemClock()
    ready = readiness_of(seen, clock)
    return JSONResponse(redact({**report_of(seen, clock).as_json(), "ready": ready.ok}))
