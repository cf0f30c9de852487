"""Evidence of an event: snapshot, clip and explanation, served from the folder of evidence only."""

import zlib
from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from PIL import Image

from daemon.api.errors import ApiError
from daemon.api.frames import WIDTHS
from daemon.api.permissions import Viewer
from daemon.api.ranges import KEPT, part_of, unchanged
from daemon.api.routes.events.events import revisions_of
from daemon.api.services import Api, ApiServices
from daemon.http.limits import RouteClass, limited
from workers.events.event import Event
from workers.events.overlay import draw_overlay
from workers.stream.latest_frame import QUALITY

router = APIRouter(prefix="/events/{event_id}", tags=["events"], dependencies=[limited(RouteClass.MEDIA)])
MAX_PICTURE_BYTES = 32 << 20
RETRY = {"retry-after": "3"}


@router.get("/snapshot.jpg", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def snapshot(
    event_id: str,
    principal: Viewer,
    api: Api,
    request: Request,
    overlay: Annotated[bool, Query(description="Draw the zones and the boxes of objects.")] = True,
    width: Annotated[int | None, Query(ge=1, le=8192, description="At least so many pixels wide, if it has them.")] = (
        None
    ),
) -> Response:
    """Return the picture of an event as a JPEG."""
    record = revisions_of(event_id, principal, api)[-1]
    content, tag = _read(api, record.event.evidence.snapshot)
    etag = f'"{tag}-{width}-{record.seq}"' if overlay else f'"{tag}-{width}"'
    if (same := unchanged(request, etag)) is not None:
        return same
    shown = _shown(content, record.event if overlay else None, width)
    return Response(shown, media_type="image/jpeg", headers=KEPT | {"etag": etag})


@router.get("/explanation.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def explanation(event_id: str, principal: Viewer, api: Api, request: Request) -> Response:
    """Return the picture that explains an event, as a PNG."""
    content, tag = _read(api, revisions_of(event_id, principal, api)[-1].event.evidence.explanation)
    etag = f'"{tag}"'
    return unchanged(request, etag) or Response(content, media_type="image/png", headers=KEPT | {"etag": etag})


@router.get("/clip.mp4", response_class=Response, responses={200: {"content": {"video/mp4": {}}}})
def clip(
    event_id: str,
    principal: Viewer,
    api: Api,
    request: Request,
    transcode: Annotated[bool, Query(description="As H.264, for what cannot play it as it is; takes a while.")] = False,
) -> Response:
    """Return the clip of an event, or a part of it (`Range`); 404 `clip_not_ready` while it is being recorded."""
    location = revisions_of(event_id, principal, api)[-1].event.evidence.clip
    if location is None:
        raise ApiError(404, "no_clip", "there is no clip of this event")
    path = api.evidence.path_of(location)
    if path is not None:
        if transcode:
            return part_of(BytesIO(api.transcoder.content(path)), "video/mp4", request)
        response = FileResponse(path, media_type="video/mp4", stat_result=path.stat(), headers=KEPT)
        return unchanged(request, response.headers["etag"]) or response
    file = api.evidence.open(location)  # elsewhere
    if file is None:
        raise ApiError(404, "clip_not_ready", "the clip is not written yet, or was removed by now", RETRY)
    with file:
        return part_of(file, "video/mp4", request)


def _read(api: ApiServices, location: str | None) -> tuple[bytes, str]:
    """Return a picture and what changes with its content; raise ``ApiError`` if it is not there.

    The event log may have been written by others: what an event names is served only if it lies in the folder.
    """
    file = api.evidence.open(location) if location and "\0" not in location else None
    if file is None:
        raise ApiError(404, "no_picture", "there is no such picture of this event, or none any more")
    with file:
        content = file.read(MAX_PICTURE_BYTES)
    return content, f"{len(content):x}-{zlib.crc32(content):x}"


def _shown(jpeg: bytes, event: Event | None, width: int | None) -> bytes:
    """Return a snapshot in the size that is wanted, with an overlay if there is an event; a damaged one as it is."""
    try:
        shown = draw_overlay(jpeg, event) if event else jpeg
        with Image.open(BytesIO(shown)) as picture:
            side = next((w for w in WIDTHS if width is not None and width <= w < picture.width), None)
            if side is None:
                return shown
            height = max(1, round(picture.height * side / picture.width))
            picture.draft("RGB", (side, height))
            out = BytesIO()
            picture.resize((side, height), Image.Resampling.BILINEAR).save(out, format="JPEG", quality=QUALITY)
            return out.getvalue()
    except (OSError, SyntaxError, ValueError):  # what Pillow raises for damaged pictures
        return jpeg
