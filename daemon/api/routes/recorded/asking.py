"""Questions about what cameras and uploads recorded, which a vision-language model answers."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from daemon.api.errors import ApiError
from daemon.api.permissions import Viewer
from daemon.api.services import Api, ApiServices
from daemon.asking.asker import Asker
from daemon.asking.types import (
    LONGEST,
    LONGEST_SENTENCE,
    MOST_SENTENCES,
    MOST_TURNS,
    Answer,
    AskError,
    AskRequest,
    Audience,
    Said,
    Step,
    Turn,
)
from daemon.config.sections.alerts import TimeZone
from daemon.http.limits import RouteClass, limited

router = APIRouter(prefix="/ask", tags=["search"])
LINES = "application/x-ndjson"


class EarlierSentence(BaseModel):
    """A sentence of an answer, and the cameras of its moments."""

    text: str = Field(max_length=LONGEST_SENTENCE)
    cameras: list[str] = Field(max_length=100)


class EarlierTurn(BaseModel):
    """A question that was asked before, and its answer."""

    question: str = Field(max_length=LONGEST)
    answer: list[EarlierSentence] = Field(max_length=MOST_SENTENCES)


class Asked(BaseModel):
    """A question, where its answer is looked for, and the dialogue that it continues."""

    question: str = Field(max_length=LONGEST)
    earlier: list[EarlierTurn] = Field(default=[], max_length=MOST_TURNS, description="Oldest first.")
    camera: list[str] = Field(default=[], max_length=100, description="Only these cameras; `uploads` is one.")
    since: float | None = Field(default=None, ge=0, description="Unix seconds; of files, when they were watched.")
    until: float | None = Field(default=None, ge=0)
    time_zone: TimeZone = Field(default=ZoneInfo("UTC"), description='What "yesterday" means: Europe/Berlin.')


@router.get("", response_model=Audience, dependencies=[limited(RouteClass.API)])
def who(principal: Viewer, api: Api) -> Audience:
    """Return which models are asked about which cameras; no question is possible if `asked` is empty."""
    return _asker(api).audience(principal.cameras)


@router.post(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {LINES: {}}, "description": "A line for each step, and last one with `answer`."}},
    dependencies=[limited(RouteClass.ASK)],
)
def ask(asked: Asked, principal: Viewer, api: Api) -> StreamingResponse:
    """Answer a question by moments: one JSON document a line, as things happen."""
    try:
        steps = _asker(api).ask(_request(asked), principal.cameras)
    except AskError as error:
        raise ApiError(422, error.code, f"{error.message}; {error.hint}") from error
    return StreamingResponse(_lines(steps), media_type=LINES)


def _asker(api: ApiServices) -> Asker:
    return Asker(api.config, api.vlm, api.search, api.log, api.transcoder.still)


def _lines(steps: Iterator[Step | Answer]) -> Iterator[str]:
    for one in steps:
        document = {"answer": asdict(one)} if isinstance(one, Answer) else asdict(one)
        yield json.dumps(document, ensure_ascii=False) + "\n"


def _request(asked: Asked) -> AskRequest:
    earlier = (
        Turn(turn.question, tuple(Said(one.text, frozenset(one.cameras)) for one in turn.answer))
        for turn in asked.earlier
    )
    cameras = frozenset(asked.camera) if asked.camera else None
    return AskRequest(asked.question, asked.time_zone, tuple(earlier), cameras, asked.since, asked.until)
