"""Alerts: what became of each, test messages, replays, and what is muted."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from daemon.alerts.store.history import AlertQuery
from daemon.alerts.types import AlertRow, AlertState
from daemon.api.editing import require_all_cameras
from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Editor, Viewer
from daemon.api.services import Api, ApiServices
from daemon.api.times import Moment, unix_of
from daemon.config.sections.cameras import UPLOADS
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from daemon.logs.setup import scrub

MOST = 500
LONGEST_MUTE_S = 31 * 86_400
router = APIRouter(tags=["alerts"], dependencies=[limited(RouteClass.API)])


class Alert(BaseModel):
    """An event, a target, and what became of it."""

    id: str
    event_id: str
    camera: str
    event: str
    target: str
    state: AlertState
    reason: str | None = Field(description="Why it is suppressed, or `replayed`.")
    attempts: int
    at: str = Field(description="When the event was accepted, ISO 8601 in UTC.")
    delivered_at: str | None
    error: str | None = Field(description="Of the last attempt.")
    possible_duplicate: bool = Field(description="An attempt had no answer: the target may have got it twice.")


class Target(BaseModel):
    """One target of alerts; the counts are since the start."""

    name: str
    up: bool | None = Field(description="Whether the last attempt arrived; null: none was made.")
    waiting: int = 0
    oldest_s: float = Field(default=0.0, description="Age of the oldest message that waits.")
    delivered: int = 0
    failures: int = 0
    dead: int = 0


class Mute(BaseModel):
    """What is muted."""

    camera: str
    event: str = Field(description="Name of a rule; empty: all of them.")
    until: float = Field(description="Unix seconds.")


class Alerts(BaseModel):
    """Alerts, newest first, and their targets (for tokens of all cameras)."""

    alerts: tuple[Alert, ...]
    next: int | None = Field(description="`before` of the next page; null: there is none.")
    targets: tuple[Target, ...]
    mutes: tuple[Mute, ...]


class MuteOrder(BaseModel):
    """What to mute, and for how long."""

    camera: str = Field(max_length=100)
    event: str = Field(default="", max_length=100, description="Name of a rule; empty: all of them.")
    seconds: float = Field(default=3600, ge=0, le=LONGEST_MUTE_S, description="0: not any more.")


class TestOrder(BaseModel):
    """Which target to try."""

    target: str = Field(max_length=100)


@router.get("/alerts", responses={200: {"model": Alerts}})
def list_alerts(
    principal: Viewer,
    api: Api,
    camera: Annotated[str | None, Query(max_length=100)] = None,
    event: Annotated[str | None, Query(max_length=100, description="Name of the rule.")] = None,
    target: Annotated[str | None, Query(max_length=100)] = None,
    state: AlertState | None = None,
    event_id: Annotated[str | None, Query(max_length=100)] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    before: Annotated[int | None, Query(ge=0, description="`next` of the page before.")] = None,
) -> JSONResponse:
    """Return alerts, newest first: waiting, delivered, suppressed with the reason, and dead letters."""
    since_s, until_s = (None if one is None else unix_of(one) for one in (since, until))
    wanted = AlertQuery(camera, event, target, state, event_id, since_s, until_s, before, principal.cameras)
    found = api.alerts.page(wanted, limit + 1)
    shown = found[:limit]
    document = {
        "alerts": [document_of(row) for row in shown],
        "next": shown[-1].seq if len(found) > limit else None,
        "targets": [target.model_dump() for target in _targets(principal, api)],
        "mutes": [
            {"camera": name, "event": rule, "until": end}
            for name, rule, end in api.alerts.mutes(time.time())
            if principal.sees(name)
        ],
    }
    return JSONResponse(document)


@router.post("/alerts/test", status_code=204)
def try_target(order: TestOrder, principal: Editor, api: Api) -> Response:
    """Send a test message with a picture; 204 once it has arrived, 502 with the reason if it did not."""
    require_all_cameras(principal)
    config = api.config()
    if order.target not in config.alerts.targets:
        raise not_found("target")
    from daemon.alerts.trial import send_test  # loads what sends

    error = send_test(config, order.target)
    if error is not None:
        raise ApiError(502, error.code, f"{error.message}; {error.hint}" if error.hint else error.message)
    return Response(status_code=204)


@router.post("/alerts/{alert_id}/replay", status_code=202, response_class=Response)
def replay(alert_id: str, principal: Editor, api: Api) -> Response:
    """Send an alert again; 409 if it waits already, or its target is gone."""
    row = next((row for row in api.alerts.find(alert_id) if row.id == alert_id), None)
    if row is None or not principal.sees(row.camera):
        raise not_found("alert")
    config = api.config()
    if row.state == "pending":
        raise ApiError(409, "alert_waits", "this alert waits to be sent already")
    if row.target not in config.alerts.targets:
        raise ApiError(409, "target_gone", "the target of this alert is not configured any more")
    api.alerts.replay(row, time.time(), config.alerts.retry_for)
    return Response(status_code=202)


@router.post("/mutes", status_code=204)
def mute(order: MuteOrder, principal: Editor, api: Api) -> Response:
    """Send no alerts of a camera, or of one rule on it, for a while. Events are recorded all the same."""
    config = api.config()
    if not principal.sees(order.camera) or order.camera not in (*config.cameras, UPLOADS):
        raise not_found("camera")
    if order.event and order.event not in config.events:
        raise not_found("rule")
    api.alerts.mute(order.camera, order.event, time.time() + order.seconds)
    return Response(status_code=204)


def document_of(row: AlertRow) -> dict[str, Any]:
    """Return an alert as JSON, without secrets."""
    document = row.as_document()
    return document | {"error": scrub(row.error) if row.error else None}


def _targets(principal: Principal, api: ApiServices) -> Iterator[Target]:
    """Yield the targets; they serve all cameras, so a token of some cameras gets their names only."""
    seen = principal.view(api.snapshot()).alerts
    for name in api.config().alerts.targets:
        found = seen.targets.get(name) if seen else None
        if found is None:
            yield Target(name=name, up=None)
        else:
            fields = ("up", "waiting", "oldest_s", "delivered", "failures", "dead")
            yield Target(name=name, **{field: getattr(found, field) for field in fields})
