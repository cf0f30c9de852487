"""Cameras: what they are set to, how they do, and what they see now."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from daemon.api.editing import Entry, IfMatch, Written, config_errors, require_all_cameras, store_of, write
from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Editor, Viewer
from daemon.api.services import Api, ApiServices
from daemon.config.editing.edits import Put, Remove
from daemon.config.types import MAX_CORNERS, Name
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from daemon.logs.setup import scrub
from daemon.observability.snapshot import CameraStatus
from workers.sources.url import is_live
from workers.types import CameraSpec

router = APIRouter(tags=["cameras"])
API_CALL = [limited(RouteClass.API)]
MEDIA_CALL = [limited(RouteClass.MEDIA)]

Corners = Annotated[tuple[tuple[float, float], ...], Field(max_length=MAX_CORNERS)]


class Camera(BaseModel):
    """One camera or file of the configuration, and how it does."""

    name: str
    url: str = Field(description="Without credentials.")
    live: bool = Field(description="False for a file.")
    state: str = Field(
        description="starting, up, reconnecting, stalled, stopping, backing_off, degraded, ended or failed."
    )
    up: bool = Field(description="Whether its source is open.")
    fps: float | str = Field(description="Frames a second that are to be analysed, or `keyframes`.")
    fps_sampled: float | None = Field(description="Frames a second that were analysed lately; null: not known yet.")
    audio: bool
    events: tuple[str, ...] = Field(description="Names of the rules that are looked for on it.")
    zones: dict[str, Corners] = Field(description="Corners [x, y] as shares of the frame's width and height.")
    masks: tuple[Corners, ...] = Field(description="Areas that are analysed; empty: the whole frame.")
    last_frame_unix: float | None = Field(description="When its last frame was received.")
    error: str | None = Field(description="The last error, with its code.")
    width: int | None = Field(description="Pixels of its frames before they are scaled; null: not known yet.")
    height: int | None
    restarts: int
    degraded: bool = Field(description="Its stream failed often; it is restarted rarely now.")
    overloaded: bool = Field(description="Work for it was dropped lately, because there was too much.")
    scores: dict[str, float] = Field(description="Probability of each rule in the last clip.")
    thresholds: dict[str, float] = Field(description="Probability at which an event of the rule begins now.")
    warnings: tuple[str, ...] = Field(description="Descriptions that will not be found as they are meant.")


class CameraEntry(BaseModel):
    """A camera's entry of the configuration file, with secrets masked."""

    version: str = Field(description="For `If-Match`.")
    config: dict[str, Any]


class Cameras(BaseModel):
    """All cameras that the client may know of."""

    cameras: tuple[Camera, ...]


@router.get("/cameras", response_model=Cameras, dependencies=API_CALL)
def list_cameras(principal: Viewer, api: Api) -> Cameras:
    """Return all cameras in the order of the configuration."""
    return Cameras(cameras=tuple(_cameras(principal, api)))


@router.get("/cameras/{name}", response_model=Camera, dependencies=API_CALL)
def one_camera(name: str, principal: Viewer, api: Api) -> Camera:
    """Return one camera."""
    found = next((camera for camera in _cameras(principal, api) if camera.name == name), None)
    if found is None:
        raise not_found("camera")
    return found


@router.get(
    "/cameras/{name}/frame.jpg",
    dependencies=MEDIA_CALL,
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "The frame is the same."}},
)
async def latest_frame(
    name: str,
    principal: Viewer,
    api: Api,
    request: Request,
    width: Annotated[int | None, Query(ge=1, le=8192, description="At least so many pixels wide, if it has them.")] = (
        None
    ),
) -> Response:
    """Return the latest analysed frame as a JPEG, masked and blurred as it is analysed; a new one once a second."""
    if not principal.sees(name) or name not in api.config().cameras:
        raise not_found("camera")
    picture = api.frames.fresh(name, width) or await run_in_threadpool(api.frames.picture, name, width)
    if picture is None:
        raise ApiError(404, "no_frame", "the camera has given no frame yet; ask again", {"retry-after": "2"})
    headers = {"etag": picture.etag, "x-frame-unix": f"{picture.wall:.3f}"}
    if request.headers.get("if-none-match") == picture.etag:
        return Response(status_code=304, headers=headers)
    return Response(picture.jpeg, media_type="image/jpeg", headers=headers)


@router.get("/cameras/{name}/config", response_model=CameraEntry, dependencies=API_CALL)
def camera_entry(name: str, principal: Editor, api: Api, response: Response) -> CameraEntry:
    """Return a camera's entry of the configuration, to be changed and sent back."""
    require_all_cameras(principal)
    with config_errors():
        data, version = store_of(api).written()
    if name not in data.get("cameras", {}):
        raise not_found("camera")
    response.headers["etag"] = f'"{version}"'
    return CameraEntry(version=version, config=data["cameras"][name])


@router.put("/cameras/{name}", response_model=Written, dependencies=API_CALL)
def put_camera(
    name: Name, entry: Entry, principal: Editor, api: Api, response: Response, if_match: IfMatch = None
) -> Written:
    """Add or replace a camera. It alone starts anew; a masked password that is sent back stays what it was."""
    return write(api, principal, if_match, [Put(("cameras", name), entry)], response)


@router.delete("/cameras/{name}", response_model=Written, dependencies=API_CALL)
def delete_camera(name: str, principal: Editor, api: Api, response: Response, if_match: IfMatch = None) -> Written:
    """Remove a camera; what was recorded of it stays (`watchword forget` removes that)."""
    return write(api, principal, if_match, [Remove(("cameras", name))], response)


def _cameras(principal: Principal, api: ApiServices) -> Iterator[Camera]:
    statuses = {status.name: status for status in principal.view(api.snapshot()).cameras}
    for spec in api.config().camera_specs():
        if principal.sees(spec.name):
            yield _camera(spec, api.config().cameras[spec.name].zones, statuses.get(spec.name))


def _camera(spec: CameraSpec, zones: dict[str, Corners], status: CameraStatus | None) -> Camera:
    stream = status.stream if status else None
    source = stream.source if stream else None
    error = (stream.error or (source.last_error if source else None)) if stream else None
    return Camera(
        name=spec.name,
        url=scrub(str(spec.url)),
        live=is_live(spec.url) or bool(stream and stream.live),
        state=status.state.value if status else "starting",
        up=bool(source and source.up),
        fps=spec.fps,
        fps_sampled=status.sampled_fps if status else None,
        audio=spec.audio,
        events=spec.events,
        zones=zones,
        masks=spec.masks,
        last_frame_unix=source.last_frame_wall if source else None,
        error=scrub(error) if error else None,
        width=(stream.width or None) if stream else None,
        height=(stream.height or None) if stream else None,
        restarts=status.restarts if status else 0,
        degraded=bool(status and status.degraded),
        overloaded=bool(status and status.overloaded),
        scores=stream.scores if stream else {},
        thresholds=stream.thresholds if stream else {},
        warnings=stream.warnings if stream else (),
    )
