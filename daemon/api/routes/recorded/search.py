"""Search of what cameras and uploads recorded, and the parts of uploads that it shows."""

from io import BytesIO
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, Field

from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Viewer
from daemon.api.ranges import KEPT, part_of
from daemon.api.services import Api, ApiServices
from daemon.api.times import checked_time, unix_of
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from daemon.search.engine import SearchBusy
from daemon.search.notes import notes
from daemon.search.request import LONGEST, MOST, SearchError, SearchRequest
from daemon.search.results import Moment, Unsearchable
from workers.errors import SourceInvalid

IMAGE_BYTES = 16 << 20
LONGEST_S = 120.0  # of a clip
RETRY = {"retry-after": "3"}
Time = Annotated[str | None, AfterValidator(checked_time), Field(max_length=40)]

router = APIRouter(tags=["search"])
SEARCH_CALL = [limited(RouteClass.SEARCH)]
MEDIA_CALL = [limited(RouteClass.MEDIA)]


class Asked(BaseModel):
    """What to search for, and where."""

    q: str = Field(default="", max_length=LONGEST, description="A description, in the words of an event.")
    like: str | None = Field(default=None, max_length=100, description="Id of an event: what resembles it.")
    spoken: bool = Field(default=False, description="The description is what is said.")
    camera: list[str] = Field(default=[], max_length=100, description="Only these cameras; `uploads` is one.")
    since: Time = Field(default=None, description="Unix seconds or ISO 8601; of files, when they were watched.")
    until: Time = None
    object_class: list[str] = Field(
        default=[], alias="class", max_length=20, description="Only where one of these objects is detected."
    )
    words: str = Field(default="", max_length=200, description="Only where these words are said.")
    limit: int = Field(default=20, ge=1, le=MOST)


class Results(BaseModel):
    """The moments of a search, the best first."""

    moments: tuple[Moment, ...]
    probable: bool = Field(description="Scores are probabilities; else likenesses, which only order.")
    read_as: tuple[str, ...] = Field(description="How the description is read.")
    warnings: tuple[str, ...] = Field(description="What will not be found as it is meant.")
    unsearchable: tuple[Unsearchable, ...] = Field(description="What another model recorded.")
    notes: tuple[str, ...] = Field(description="All of this in sentences.")
    hours: float = Field(description="Hours of recordings that were searched.")
    seconds: float = Field(description="How long it took.")


@router.get("/search", response_model=Results, dependencies=SEARCH_CALL)
def search(asked: Annotated[Asked, Query()], principal: Viewer, api: Api) -> Results:
    """Find moments by a description, by an event like them, by objects or by words that were said."""
    return _results(asked, None, principal, api)


@router.post("/search", response_model=Results, dependencies=SEARCH_CALL)
async def search_image(asked: Annotated[Asked, Query()], principal: Viewer, api: Api, request: Request) -> Results:
    """Find moments that resemble an image: the body is a JPEG or PNG file of at most 16 MB (no form)."""
    image = await request.body()
    return await run_in_threadpool(_results, asked, image, principal, api)


@router.get(
    "/moments/clip.mp4",
    dependencies=MEDIA_CALL,
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}}}},
)
def moment_clip(
    camera: Annotated[str, Query(max_length=100)],
    key: Annotated[str, Query(max_length=200, description="`key` of the moment.")],
    start: Annotated[float, Query(ge=0, allow_inf_nan=False)],
    end: Annotated[float, Query(ge=0, allow_inf_nan=False)],
    principal: Viewer,
    api: Api,
    request: Request,
) -> Response:
    """Return a part of an upload, at most two minutes, or a part of that (`Range`)."""
    file = _file(camera, key, principal, api)
    if end <= start:
        raise ApiError(422, "invalid_request", "query.end: it must be after start")
    blur_faces = api.config().privacy.blur_faces
    content = api.transcoder.excerpt(file, start, min(end, start + LONGEST_S), blur_faces)
    return part_of(BytesIO(content), "video/mp4", request)


@router.get(
    "/moments/picture.jpg",
    dependencies=MEDIA_CALL,
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def moment_picture(
    camera: Annotated[str, Query(max_length=100)],
    key: Annotated[str, Query(max_length=200, description="`key` of the moment.")],
    at: Annotated[float, Query(ge=0, allow_inf_nan=False)],
    principal: Viewer,
    api: Api,
) -> Response:
    """Return the frame of an upload at a stream second, or the `thumbnail` of a live moment, as a JPEG."""
    picture = api.search.thumbnail(camera, key, at) if principal.sees(camera) else None
    if picture is None:
        file = _file(camera, key, principal, api)
        picture = api.transcoder.picture(file, at, api.config().privacy.blur_faces)
    return Response(picture, media_type="image/jpeg", headers=KEPT)


def _file(camera: str, key: str, principal: Principal, api: ApiServices) -> Path:
    file = api.search.upload_of(camera, key) if principal.sees(camera) else None
    if file is None:
        raise not_found("upload")
    return file


def _results(asked: Asked, image: bytes | None, principal: Principal, api: ApiServices) -> Results:
    try:
        found = api.search.find(_request(asked, image), principal.cameras)
    except SearchBusy as error:
        raise ApiError(503, error.code, f"{error.message}; {error.hint}", RETRY) from error
    except SearchError as error:
        raise ApiError(422, error.code, f"{error.message}; {error.hint}") from error
    except SourceInvalid as error:
        raise ApiError(415, "not_an_image", f"{error.message}; {error.hint}") from error
    return Results(
        moments=found.moments,
        probable=found.probable,
        read_as=found.read_as,
        warnings=found.warnings,
        unsearchable=found.unsearchable,
        notes=tuple(notes(found)),
        hours=found.hours,
        seconds=found.seconds,
    )


def _request(asked: Asked, image: bytes | None) -> SearchRequest:
    since, until = (None if time is None else unix_of(time) for time in (asked.since, asked.until))
    return SearchRequest(
        text=asked.q,
        image=image,
        like=asked.like,
        spoken=asked.spoken,
        cameras=frozenset(asked.camera) if asked.camera else None,
        since=since,
        until=until,
        classes=tuple(asked.object_class),
        words=asked.words,
        limit=asked.limit,
    )
