"""Summaries of days and of uploads, and the short videos of both."""

import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Viewer
from daemon.api.ranges import KEPT, part_of
from daemon.api.routes.recorded.uploads import found_in, records, uploads_config
from daemon.api.services import Api, ApiServices
from daemon.api.summary_types import (
    DaySummaryBody,
    FileDescription,
    FileSummaryBody,
    ShortVideo,
    ShortVideos,
    VideoMoment,
    VideoOrder,
)
from daemon.api.times import Moment, unix_of
from daemon.captions.documents import file_document as written_of
from daemon.captions.types import upload_owner
from daemon.config.sections.cameras import UPLOADS
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from daemon.privacy.stores.uploads import WatchedUpload
from daemon.summary.day import MOST, Span
from daemon.summary.documents import chapters_vtt, day_document, file_document
from daemon.summary.footage import footage_of, unusual_location
from daemon.summary.types import FileSummary
from daemon.summary.video import parts_of
from workers.errors import ClipUnavailable
from workers.events.event import Event
from workers.events.timestamps import LATEST_S
from workers.sources.clips.joining import Order

MOST_MOMENTS, LONGEST_S = 100, 31 * 86_400.0
router = APIRouter(tags=["summary"])
API_CALL = [limited(RouteClass.API)]
MEDIA_CALL = [limited(RouteClass.MEDIA)]


@router.get("/summary", responses={200: {"model": DaySummaryBody}}, dependencies=API_CALL)
def day_summary(
    principal: Viewer,
    api: Api,
    since: Moment = None,
    until: Moment = None,
    camera: Annotated[str | None, Query(max_length=100)] = None,
    most: Annotated[int, Query(ge=1, le=MOST_MOMENTS, description="Number of moments.")] = MOST,
) -> JSONResponse:
    """Return what live cameras saw: their telling moments, events and novelty; by default of the last 24 hours."""
    now = time.time()
    last = unix_of(until) if until is not None else now
    span = _span(principal, unix_of(since) if since is not None else last - 86_400.0, last, camera)
    found = api.library.day(span, most)
    return JSONResponse(day_document(found, api.evidence))


@router.get(
    "/cameras/{name}/unusual.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
    dependencies=MEDIA_CALL,
)
def unusual_picture(
    name: str, principal: Viewer, api: Api, at: Annotated[float, Query(ge=0, le=LATEST_S, description="Unix seconds.")]
) -> Response:
    """Return the picture that was kept because it is unlike the usual: `picture` of a moment."""
    if not principal.sees(name) or name not in api.config().cameras:
        raise not_found("camera")
    file = api.evidence.open(unusual_location(name, at, api.evidence))
    if file is None:
        raise ApiError(404, "no_picture", "there is no such picture, or none any more")
    with file:
        return Response(file.read(), media_type="image/jpeg", headers=KEPT)


@router.get("/uploads/{name:path}/summary.json", responses={200: {"model": FileSummaryBody}}, dependencies=API_CALL)
def upload_summary(name: str, principal: Viewer, api: Api) -> JSONResponse:
    """Return tags, chapters and highlights of a file; 404 `no_index` where no index of it is kept."""
    return JSONResponse(file_document(_upload(name, principal, api)[0]))


@router.get(
    "/uploads/{name:path}/description.json", responses={200: {"model": FileDescription | None}}, dependencies=API_CALL
)
def upload_description(name: str, principal: Viewer, api: Api) -> JSONResponse:
    """Return what a verifier wrote of a file; null where it wrote nothing, or has not yet."""
    return JSONResponse(written_of(api.captions.of(upload_owner(_record(name, principal, api).since))))


@router.get(
    "/uploads/{name:path}/chapters.vtt",
    response_class=Response,
    responses={200: {"content": {"text/vtt": {}}}},
    dependencies=API_CALL,
)
def upload_chapters(name: str, principal: Viewer, api: Api) -> Response:
    """Return the chapters of a file as WebVTT, with the titles that a verifier gave them."""
    headers = {"content-disposition": 'attachment; filename="chapters.vtt"'}
    record = _record(name, principal, api)
    titles = {one.start: one.title for one in api.captions.of(upload_owner(record.since)) if one.number}
    content = chapters_vtt(_upload(name, principal, api)[0], titles)
    return Response(content, media_type="text/vtt", headers=headers)


@router.post("/summary/videos", status_code=201, response_model=ShortVideos, dependencies=API_CALL)
def make_videos(order: VideoOrder, principal: Viewer, api: Api) -> ShortVideos:
    """Make short videos of the moments of a summary, kept for a quarter of an hour; 404 `no_clip` without any."""
    if order.upload is not None:
        found, file = _upload(order.upload, principal, api)
        blurred = api.config().privacy.blur_faces
        wanted = Order(parts_of(found, file), blurred, order.h264)
        return _made(api, wanted, [(UPLOADS, moment.start) for moment in found.highlights], [file])
    if order.since is None:
        raise ApiError(422, "invalid_request", "name an upload, or the time since when")
    span = _span(principal, order.since, order.until if order.until is not None else time.time(), order.camera)
    day = api.library.day(span, MOST)
    with tempfile.TemporaryDirectory(prefix="watchword-") as folder:
        footage = footage_of(day, api.evidence, Path(folder))
        wanted = Order(tuple(one.part for one in footage), h264=order.h264)
        here = [one.path for one in footage if not one.path.is_relative_to(folder)]
        return _made(api, wanted, [(one.moment.camera, one.moment.start) for one in footage], here)


@router.get(
    "/summary/videos/{video_id}/{number}.mp4",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}}}},
    dependencies=MEDIA_CALL,
)
def short_video(video_id: str, number: int, principal: Viewer, api: Api, request: Request) -> Response:
    """Return a short video, or a part of it (`Range`); 404 when it is not kept any more."""
    kept = api.videos.get(video_id)
    if kept is None or not 1 <= number <= len(kept.videos) or not all(map(principal.sees, kept.cameras)):
        raise not_found("video")
    return part_of(BytesIO(kept.videos[number - 1].content), "video/mp4", request)


def _span(principal: Principal, since: float, until: float, camera: str | None) -> Span:
    """Return the time and the cameras that are asked for and may be seen."""
    if not since < until <= since + LONGEST_S:
        days = f"{LONGEST_S / 86_400:.0f} days"
        raise ApiError(422, "invalid_request", f"`until` must be later than `since`, by {days} at most")
    if camera is None:
        return Span(since, until, principal.cameras)
    if not principal.sees(camera):
        raise not_found("camera")
    return Span(since, until, frozenset({camera}))


def _record(name: str, principal: Principal, api: ApiServices) -> WatchedUpload:
    config = uploads_config(principal, api)
    record = next((record for known, record in records(config.done, api) if known == name), None)
    if record is None:
        raise not_found("upload")
    return record


def _upload(name: str, principal: Principal, api: ApiServices) -> tuple[FileSummary, Path]:
    """Return the summary of an upload, and where its file lies."""
    record = _record(name, principal, api)
    events, duration = _found_in(name, record, api)
    found = api.library.upload(name, record, events, duration)
    if found is None:
        raise ApiError(404, "no_index", "no index of this file is kept: see `index` and `retention.index`")
    return found, Path(record.file)


def _found_in(name: str, record: WatchedUpload, api: ApiServices) -> tuple[tuple[Event, ...], float]:
    """Return the events of an upload and its length in seconds: none and 0 where the event log is younger."""
    try:
        tagged = found_in(name, record, api)
    except ApiError:
        return (), 0.0
    return tagged.events, tagged.duration_s


def _made(api: ApiServices, order: Order, moments: Sequence[tuple[str, float]], sources: Sequence[Path]) -> ShortVideos:
    try:
        kept = api.videos.make(order, frozenset(camera for camera, _ in moments), tuple(sources))
    except ClipUnavailable as error:
        text = f"{error.message}; {error.hint}" if error.hint else error.message
        raise ApiError(404, "no_clip", text) from None
    return ShortVideos(
        videos=tuple(
            ShortVideo(
                url=f"/api/v1/summary/videos/{kept.id}/{number}.mp4",
                seconds=round(sum(shown.seconds for shown in video.shown), 3),
                moments=tuple(
                    VideoMoment(camera=moments[s.part][0], start=moments[s.part][1], at=s.at, seconds=s.seconds)
                    for s in video.shown
                ),
            )
            for number, video in enumerate(kept.videos, 1)
        )
    )
