"""Evidence of an event: snapshot, clip and explanation, served from the evidence folder only."""

from contextlib import suppress
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from daemon.api.errors import ApiError
from daemon.api.events import revisions_of
from daemon.api.permissions import Viewer
from daemon.api.services import Api
from daemon.http.limits import RouteClass, limited

router = APIRouter(prefix="/events/{event_id}", tags=["events"], dependencies=[limited(RouteClass.MEDIA)])
KEPT = {"cache-control": "private, no-cache"}  # kept by the browser, and asked for again: it may have been forgotten
CLIP_RETRY_S = 3


@router.get("/snapshot.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def snapshot(event_id: str, principal: Viewer, api: Api, request: Request) -> Response:
    """Return the picture of an event as a JPEG."""
    event = revisions_of(event_id, principal, api)[-1].event
    return served(_inside(api.evidence, event.evidence.snapshot), "image/jpeg", request)


@router.get("/explanation.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def explanation(event_id: str, principal: Viewer, api: Api, request: Request) -> Response:
    """Return the picture that explains an event, as a PNG."""
    event = revisions_of(event_id, principal, api)[-1].event
    return served(_inside(api.evidence, event.evidence.explanation), "image/png", request)


@router.get("/clip.mp4", response_class=Response, responses={200: {"content": {"video/mp4": {}}}})
def clip(event_id: str, principal: Viewer, api: Api, request: Request) -> Response:
    """Return the clip of an event, or a part of it (`Range`); 404 `clip_not_ready` while it is being recorded."""
    event = revisions_of(event_id, principal, api)[-1].event
    if event.evidence.clip is None:
        raise ApiError(404, "no_clip", "there is no clip of this event")
    path = _inside(api.evidence, event.evidence.clip)
    if not path.is_file():
        text = "the clip is not written yet, or was removed by now"
        raise ApiError(404, "clip_not_ready", text, {"retry-after": str(CLIP_RETRY_S)})
    return served(path, "video/mp4", request)


def served(path: Path, media_type: str, request: Request) -> Response:
    """Return a file, whole or the requested range, or 304 if the client has it; raise ``ApiError`` without one."""
    try:
        status = path.stat()
    except OSError:
        raise ApiError(404, "no_picture", "there is no such picture of this event, or none any more") from None
    response = FileResponse(path, media_type=media_type, stat_result=status, headers=KEPT)
    if request.headers.get("if-none-match") == response.headers["etag"]:
        return Response(status_code=304, headers=KEPT | {"etag": response.headers["etag"]})
    return response


def _inside(folder: Path, named: str | None) -> Path:
    """Return the path of a piece of evidence; raise ``ApiError`` if there is none or it does not lie in the folder.

    The event log may have been written by others, and a folder may have been replaced by a link.
    """
    with suppress(OSError, ValueError):  # a loop of links, a name that no file can have
        if named is not None and (found := Path(named).resolve()).is_relative_to(folder.resolve()):
            return found
    raise ApiError(404, "no_picture", "there is no such picture of this event")
