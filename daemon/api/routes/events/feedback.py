"""Feedback: what people say of events, what was learned from it, and the links in messages that say it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field

from daemon.alerts.link_pages import judge_page, judged_page, refused_page
from daemon.alerts.links import FeedbackRequest, LinkRefused, Links, Verdict, link_key
from daemon.api.editing import require_all_cameras
from daemon.api.errors import ApiError
from daemon.api.permissions import Editor, Viewer
from daemon.api.routes.events.events import revisions_of
from daemon.api.routes.rules import one_rule
from daemon.api.services import Api, ApiServices
from daemon.feedback.judge import Learned, NoSuchHead, NotJudgeable
from daemon.feedback.types import WaitsFor
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited

router = APIRouter(tags=["feedback"], dependencies=[limited(RouteClass.API)])


class EventFeedback(BaseModel):
    """What was said of one event."""

    verdict: Verdict | None = Field(description="Whether it is what the rule describes; null: nobody has said.")
    can_be_judged: bool = Field(description="False: its features are not kept any more.")


class Said(BaseModel):
    """What somebody says of an event."""

    verdict: Literal["right", "wrong", "none"] = Field(description="none: take back what was said.")


class Recent(BaseModel):
    """What a version would have made of the latest events of the rule."""

    days: float
    events: int
    kept: int
    unjudged: int = Field(description="Those of the events that nobody judged.")
    unjudged_kept: int
    gone: tuple[str, ...] = Field(description="Ids of some that would not have been reported, the newest first.")


class LearnedVersion(BaseModel):
    """One version of what was learned, and how it does in shadow."""

    number: int
    at: float = Field(description="Unix seconds when it was made.")
    right: int = Field(description="Judged events that are right.")
    right_kept: int = Field(description="Of these, how many a version that was made without them still reports.")
    wrong: int
    wrong_kept: int
    recent: Recent
    waits_for: WaitsFor = Field(
        description="Why it does not come into force by itself: too few `clicks`, `not_better` on judged events, or it "
        "`silences` nearly all events that nobody judged. Empty: it does."
    )


class RuleFeedback(BaseModel):
    """What was learned of one rule."""

    right: int
    wrong: int
    in_force: int = Field(description="The version in force; 0: none, the models alone decide.")
    held: bool = Field(description="Somebody chose that version: newer ones wait until somebody chooses again.")
    versions: tuple[LearnedVersion, ...] = Field(description="The newest first.")


class Chosen(BaseModel):
    """Which version is to be in force."""

    version: int | Literal["auto", "back"] = Field(
        description="A number, 0 for none; `back`: the one before; `auto`: whichever is better, from now on."
    )


@router.get("/events/{event_id}/feedback", response_model=EventFeedback)
def event_feedback(event_id: str, principal: Viewer, api: Api) -> EventFeedback:
    """Return what was said of an event."""
    event = revisions_of(event_id, principal, api)[-1].event
    return EventFeedback(verdict=api.feedback.verdict(event_id), can_be_judged=api.feedback.is_judgeable(event))


@router.post("/events/{event_id}/feedback", response_model=EventFeedback)
def judge_event(event_id: str, said: Said, principal: Editor, api: Api) -> EventFeedback:
    """Say whether an event is what its rule describes; the rule learns from it within a second."""
    event = revisions_of(event_id, principal, api)[-1].event
    if said.verdict == "none":
        api.feedback.take_back(event_id)
    else:
        with _refusals(409):
            api.feedback.judge(event, said.verdict, time.time())
    return event_feedback(event_id, principal, api)


@router.get("/rules/{name}/feedback", response_model=RuleFeedback)
def rule_feedback(name: str, principal: Viewer, api: Api, response: Response) -> RuleFeedback:
    """Return what was learned of a rule: its versions, how each does in shadow, and which one is in force."""
    one_rule(name, principal, api, response)
    return _shown(api.feedback.learned(name), principal)


@router.post("/rules/{name}/feedback", response_model=RuleFeedback)
def choose_version(
    name: str, chosen: Annotated[Chosen, Body()], principal: Editor, api: Api, response: Response
) -> RuleFeedback:
    """Put a version of what was learned into force on all cameras, without a restart of any."""
    require_all_cameras(principal)
    one_rule(name, principal, api, response)
    if chosen.version == "back":
        api.feedback.back(name)
    else:
        with _refusals(404):
            api.feedback.choose(name, None if chosen.version == "auto" else chosen.version)
    return _shown(api.feedback.learned(name), principal)


@router.get("/feedback", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def ask(request: Request, api: Api) -> Response:
    """Return a page that asks whether to say what the link says."""
    try:
        wanted = _wanted(request, api)
    except LinkRefused as error:
        return _page(refused_page(error.message), 403)
    return _page(judge_page(wanted.verdict))


@router.post("/feedback", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def judge(request: Request, api: Api) -> Response:
    """Say of the event of the link what the link says."""
    try:
        wanted = _wanted(request, api)
        records = api.log.revisions(wanted.event_id)
        if not records:
            return _page(refused_page("the event is not kept any more"), 404)
        api.feedback.judge(records[-1].event, wanted.verdict, time.time())
    except (LinkRefused, NotJudgeable) as error:
        return _page(refused_page(error.message), 403)
    return _page(judged_page(wanted.verdict))


@contextmanager
def _refusals(status: int) -> Iterator[None]:
    """Answer with a status where there is nothing to judge or to choose."""
    try:
        yield
    except (NotJudgeable, NoSuchHead) as error:
        raise ApiError(status, error.code, f"{error.message}; {error.hint}") from error


def _wanted(request: Request, api: ApiServices) -> FeedbackRequest:
    links = Links(api.config().alerts.public_url, link_key(api.alerts_folder))
    return links.read_feedback(request.query_params, time.time())


def _page(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/html")


def _shown(learned: Learned, principal: Principal) -> RuleFeedback:
    verdicts = [click.verdict for click in learned.clicks]
    versions = []
    for version in learned.versions:
        report = version.report | {"number": version.number, "at": version.at}
        if principal.cameras is not None:  # events of other cameras
            report["recent"] = report["recent"] | {"gone": ()}
        versions.append(LearnedVersion(**report))
    return RuleFeedback(
        right=verdicts.count("right"),
        wrong=verdicts.count("wrong"),
        in_force=learned.choice.version,
        held=learned.choice.held,
        versions=tuple(versions),
    )
