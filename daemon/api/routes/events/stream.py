"""Server-sent events: new revisions and changes of cameras, as they happen."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from daemon.api.permissions import Viewer
from daemon.api.services import Api
from daemon.api.tail import Viewer as TailViewer
from daemon.http.limits import RouteClass, limited

router = APIRouter(tags=["events"], dependencies=[limited(RouteClass.STREAM)])


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `revision` and `cameras`."}},
)
async def stream(
    principal: Viewer,
    api: Api,
    camera: Annotated[str | None, Query(max_length=100)] = None,
    event: Annotated[str | None, Query(max_length=100, description="Name of the rule.")] = None,
    after: Annotated[int | None, Query(ge=0, description="`last` of /events: what came since then comes first.")] = (
        None
    ),
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> StreamingResponse:
    """Follow events. `Last-Event-ID`, or `after`, resumes behind a revision."""
    resumed = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
    viewer = TailViewer(principal, camera, event)
    return StreamingResponse(api.tail.follow(viewer, resumed), media_type="text/event-stream")
