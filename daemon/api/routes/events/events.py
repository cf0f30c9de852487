"""Events of the log, newest first; works while Redis is away."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from daemon.api.errors import not_found
from daemon.api.permissions import Viewer
from daemon.api.routes.events.alerts import document_of
from daemon.api.services import Api, ApiServices
from daemon.api.times import Moment, unix_of
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from workers.events.event import Event
from workers.publish.log.records import Record
from workers.publish.log.view import LogQuery

MOST = 500
router = APIRouter(tags=["events"], dependencies=[limited(RouteClass.API)])


class EventsPage(BaseModel):
    """Events, newest first, each in its last revision."""

    events: tuple[Event, ...]
    next: int | None = Field(description="`before` of the next page; null: there is none.")
    last: int = Field(description="The log's last revision: `after` of /stream, so that nothing is missed.")


class Revision(BaseModel):
    """One revision of an event, in short."""

    seq: int = Field(description="Number in the event log.")
    at: float = Field(description="Unix seconds when it was accepted.")
    revision: int
    type: str
    start: float
    end: float
    score: float


class OneEvent(BaseModel):
    """An event with its history."""

    event: Event
    revisions: tuple[Revision, ...]
    alerts: tuple[dict[str, Any], ...] = Field(description="What was sent because of it; as in /alerts.")


@router.get("/events", responses={200: {"model": EventsPage}}, response_class=Response)
def list_events(
    principal: Viewer,
    api: Api,
    camera: Annotated[str | None, Query(max_length=100)] = None,
    event: Annotated[str | None, Query(max_length=100, description="Name of the rule.")] = None,
    since: Moment = None,
    until: Moment = None,
    live: Annotated[bool | None, Query(description="true: of live streams only; false: of files only.")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="Text in names, description, caption or words heard.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    before: Annotated[int | None, Query(ge=0, description="`next` of the page before.")] = None,
) -> Response:
    """Return events, newest first. The log keeps about a week, at most 64 MB; Redis may keep more."""
    since_s, until_s = (None if one is None else unix_of(one) for one in (since, until))
    wanted = LogQuery(camera, event, since_s, until_s, principal.cameras, live, q)
    found = api.log.page(wanted, limit + 1, before)
    shown, last = found[:limit], api.log.last() if before is None else (before or 0)
    following = str(shown[-1].seq) if len(found) > limit else "null"
    bodies = ",".join(record.event.to_json() for record in shown)
    return _json(f'{{"events":[{bodies}],"next":{following},"last":{last}}}')


@router.get("/events/{event_id}", responses={200: {"model": OneEvent}}, response_class=Response)
def one_event(event_id: str, principal: Viewer, api: Api) -> Response:
    """Return one event in its last revision, with its history."""
    records = revisions_of(event_id, principal, api)
    document = {
        "event": records[-1].event.to_document(),
        "revisions": [_in_short(record) for record in records],
        "alerts": [document_of(row) for row in api.alerts.of_event(event_id)],
    }
    return JSONResponse(document)


def revisions_of(event_id: str, principal: Principal, api: ApiServices) -> list[Record]:
    """Return all revisions of an event, oldest first; raise ``ApiError`` 404 if the principal may not see it."""
    records = api.log.revisions(event_id)
    if not records or not principal.sees(records[-1].event.camera, *records[-1].event.cameras):
        raise not_found("event")
    return records


def _in_short(record: Record) -> dict[str, Any]:
    event = record.event
    fields = {name: getattr(event, name) for name in ("revision", "type", "start", "end", "score")}
    return {"seq": record.seq, "at": record.at, **fields}


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
