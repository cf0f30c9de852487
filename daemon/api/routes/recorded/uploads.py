"""Files that are analysed: what waits, what is done, what was found in each, and new ones over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Uploader, Viewer
from daemon.api.receiving import receive, safe_name
from daemon.api.services import Api, ApiServices
from daemon.config.sections.cameras import UPLOADS, UploadsConfig
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from daemon.logs.setup import scrub
from daemon.observability.snapshot import LEFT_ALONE, DaemonSnapshot, UploadsSnapshot
from daemon.offline.exports import Format, Tagged, render
from daemon.privacy.stores.uploads import WatchedUpload, sidecar

LISTED = 200
TYPES: dict[Format, str] = {"json": "application/json", "csv": "text/csv", "vtt": "text/vtt"}
router = APIRouter(tags=["uploads"])


class Waiting(BaseModel):
    """A file that waits."""

    name: str = Field(description="Path below the folder of uploads.")


class Processing(BaseModel):
    """The file that is being processed."""

    name: str
    position_s: float = Field(description="Seconds of it that are decided.")
    duration_s: float | None
    progress: float | None = Field(description="0 to 1; null: the file does not say how long it is.")


class Done(BaseModel):
    """A file that was processed."""

    name: str = Field(description="Path below the folder `done`; names the results as well.")
    began: float = Field(description="Unix seconds.")
    ended: float


class Failed(Done):
    """A file that could not be read."""

    error: str | None = Field(description="Why; null: it was before the daemon's last start.")


class LeftAlone(BaseModel):
    """Something in the folder that is not processed."""

    name: str
    reason: str


class Uploads(BaseModel):
    """The folder of uploads; the latest files first, at most 200 of each kind."""

    max_size: int = Field(description="Bytes that a file may have.")
    waiting_count: int
    waiting: tuple[Waiting, ...]
    processing: Processing | None
    done: tuple[Done, ...]
    failed: tuple[Failed, ...]
    left_alone: tuple[LeftAlone, ...]


class Received(BaseModel):
    """A file that has arrived."""

    name: str = Field(description="The name that it got: another one if there was such a file.")
    bytes: int


@router.get("/uploads", response_model=Uploads, dependencies=[limited(RouteClass.API)])
def list_uploads(principal: Viewer, api: Api) -> Uploads:
    """Return what waits, is being processed, is done, or could not be read; 404 `no_uploads` without a folder."""
    config, snapshot = uploads_config(principal, api), api.snapshot()
    seen = snapshot.uploads or UploadsSnapshot()
    errors = dict(seen.errors)
    done, failed = [], []
    for name, record in records(config.done, api):
        known = Done(name=name, began=record.since, ended=record.until or record.since)
        if name.startswith("failed/"):
            error = errors.get(name)
            failed.append(Failed(**known.model_dump(), error=scrub(error) if error else None))
        else:
            done.append(known)
    return Uploads(
        max_size=config.max_size,
        waiting_count=seen.waiting,
        waiting=tuple(Waiting(name=name) for name in seen.waiting_names),
        processing=_processing(seen, snapshot),
        done=tuple(done[:LISTED]),
        failed=tuple(failed[:LISTED]),
        left_alone=tuple(LeftAlone(name=name, reason=LEFT_ALONE[reason]) for name, reason in seen.left_names),
    )


@router.post("/uploads", status_code=201, response_model=Received, dependencies=[limited(RouteClass.UPLOAD)])
async def upload(
    principal: Uploader,
    api: Api,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=500, description="Name of the file, without folders.")],
) -> Received:
    """Receive a file as the body of the request (not as a form); it is processed once it is whole."""
    config = uploads_config(principal, api)
    declared = request.headers.get("content-length", "0")
    kept, size = await receive(
        request.stream(), config.folder, safe_name(name), int(declared) if declared.isdecimal() else 0
    )
    return Received(name=kept, bytes=size)


@router.get(
    "/uploads/{name:path}/results.{form}",
    response_class=Response,
    dependencies=[limited(RouteClass.API)],
    responses={200: {"content": {kind: {} for kind in TYPES.values()}}},
)
def results(name: str, form: Format, principal: Viewer, api: Api) -> Response:
    """Return what was found in a file, as `watchword tag` writes it: JSON, CSV or WebVTT."""
    config = uploads_config(principal, api)
    record = next((record for known, record in records(config.done, api) if known == name), None)
    if record is None:
        raise not_found("upload")
    content = _sidecar(config.done, Path(record.file), form)
    if content is None:
        content = render(found_in(name, record, api), form).encode(errors="replace")
    headers = {"content-disposition": f'attachment; filename="results.{form}"'}
    return Response(content, media_type=TYPES[form], headers=headers)


def upload_bytes(api: ApiServices) -> int:
    """Return how large a file may be; 0 without a folder of uploads."""
    uploads = api.config().uploads
    return uploads.max_size if uploads else 0


def uploads_config(principal: Principal, api: ApiServices) -> UploadsConfig:
    """Return the settings of uploads; raise ``ApiError`` 404 without a folder, or for whom may not know of it."""
    config = api.config().uploads
    if not principal.sees(UPLOADS):
        raise not_found("folder of uploads")
    if config is None:
        raise ApiError(404, "no_uploads", "no folder of uploads is configured: set `uploads: {folder: …, done: …}`")
    return config


def records(done: Path, api: ApiServices) -> Iterator[tuple[str, WatchedUpload]]:
    """Yield processed files with their paths below ``done``, the latest first."""
    below = done.absolute()
    for record in sorted(api.uploads.all(), key=lambda record: -record.since):
        file = Path(record.file)
        if record.until is not None and file.is_relative_to(below):
            yield file.relative_to(below).as_posix(), record


def _sidecar(done: Path, file: Path, form: Format) -> bytes | None:
    """Return the results that lie beside a file; None without, and for a link, which may lead anywhere."""
    path = sidecar(file, form)
    try:
        if path.resolve() != done.resolve() / path.relative_to(done.absolute()):
            return None
        return path.read_bytes()
    except OSError:
        return None


def _processing(seen: UploadsSnapshot, snapshot: DaemonSnapshot) -> Processing | None:
    if seen.current is None:
        return None
    stream = next((camera.stream for camera in snapshot.cameras if camera.name == UPLOADS), None)
    position, duration = (stream.position_s, stream.duration_s) if stream else (0.0, None)
    progress = min(1.0, position / duration) if duration else None
    return Processing(name=seen.current, position_s=position, duration_s=duration, progress=progress)


def found_in(name: str, record: WatchedUpload, api: ApiServices) -> Tagged:
    """Return what was found in a file by the event log: only one file is processed at a time.

    Raise ``ApiError`` 404 if the log does not reach back so far.
    """
    oldest = api.log.after(0, 1)
    if oldest and oldest[0].seq > 1 and oldest[0].at > record.since:
        text = "the event log does not reach back so far; with `uploads: {sidecars: true}` results are kept"
        raise ApiError(404, "results_gone", text)
    until = (record.until or record.since) + 1.0
    found = api.log.accepted(UPLOADS, record.since, until)  # of the same content watched again, too: the ids are equal
    events = tuple({one.event.id: one.event for one in found}.values())
    files = [event.source for event in events if event.source]
    duration = next((file.duration for file in files if file.duration), 0.0)
    return Tagged(files[0].file if files else name, duration, events)
