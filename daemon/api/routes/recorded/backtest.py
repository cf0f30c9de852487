"""Backtests: what a rule, saved or not, would have reported in the past. A job, as it may take minutes."""

import time
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from daemon.api.editing import config_errors, store_of
from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Editor
from daemon.api.services import Api, ApiServices
from daemon.backtest.document import backtest_document, estimate_document
from daemon.backtest.estimate import Likely
from daemon.backtest.jobs import Job
from daemon.backtest.request import PREVIEW, BacktestError, Decision, Trial, trial_of
from daemon.backtest.run import backtest
from daemon.backtest.types import Hit, Period
from daemon.config import Config
from daemon.config.editing.edits import Put
from daemon.config.types import Name
from daemon.config.units import Rate
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited
from daemon.search.evidence import LATER_S, most_overlapping
from workers.index.reader import IndexReader
from workers.state_layout import StateLayout

DAY_S = 86_400.0
LONGEST_S = 31 * DAY_S
PICTURED = 60  # hits, the surest: a picture of each is looked for
router = APIRouter(prefix="/backtest", tags=["backtest"], dependencies=[limited(RouteClass.API)])


class Asked(BaseModel):
    """A rule, by its name or as an entry of the configuration that need not be saved, and a time."""

    event: str | None = Field(
        default=None, max_length=1000, description="Name of a rule, or a description in plain words."
    )
    config: dict[str, Any] | None = Field(
        default=None, description="The entry of `events` to try; with the name of a rule: in place of what is saved."
    )
    since: float | None = Field(default=None, description="Unix seconds. Default: 7 days before `until`.")
    until: float | None = Field(default=None, description="Unix seconds. Default: now.")
    camera: Name | None = Field(default=None, description="Only this camera; `uploads`: only uploaded files.")
    threshold: float | None = Field(default=None, ge=0, le=1, description="Instead of how the rule decides.")
    max_false_alerts: Rate | None = Field(default=None, description="Instead of how the rule decides.")


class Backtested(BaseModel):
    """A backtest. `result` is the document of `watchword backtest --json`, once it is done."""

    id: str
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    done: int = Field(description="Frames that are judged.")
    total: int = Field(description="All of them; 0: it is not known yet.")
    error: str | None
    estimate: dict[str, Any] | None = Field(
        description="Until the result is there: its likeliest `moments`, with `shown_by`; `more`: there may be more."
    )
    result: dict[str, Any] | None = Field(
        description="Its `hits` have `shown_by`, too: the id of a recorded event that shows the same; null: none does."
    )


@router.post("", status_code=202, response_model=Backtested)
def start(asked: Asked, principal: Editor, api: Api) -> Backtested:
    """Start to try a rule on what the index keeps. Nothing is saved or published."""
    models = api.backtest_models()
    if models is None:
        raise ApiError(503, "models_loading", "the models are being loaded; try again soon", {"retry-after": "5"})
    trial = _trial(asked, principal, api)
    index = api.backtests.reader(StateLayout(api.config().state_dir).index)
    job = api.backtests.start(
        lambda progress, stopping, on_estimate: backtest(trial, index, models, progress, stopping, on_estimate),
        frozenset(trial.specs),
    )
    return _shown(job, api)


@router.get("/{job}", response_model=Backtested)
def one(job: str, principal: Editor, api: Api) -> Backtested:
    """Return how far a backtest is, and what it found."""
    return _shown(_job(job, principal, api), api)


@router.delete("/{job}", status_code=204)
def stop(job: str, principal: Editor, api: Api) -> None:
    """Stop a backtest, or forget its result."""
    api.backtests.stop(_job(job, principal, api).id)


def _job(name: str, principal: Principal, api: ApiServices) -> Job:
    job = api.backtests.get(name)
    if job is None or not all(principal.sees(camera) for camera in job.cameras):
        raise not_found("backtest")
    return job


def _trial(asked: Asked, principal: Principal, api: ApiServices) -> Trial:
    name, config = _rule(asked, api)
    until = asked.until if asked.until is not None else time.time()
    since = asked.since if asked.since is not None else until - 7 * DAY_S
    if not 0 < until - since <= LONGEST_S:
        raise ApiError(422, "invalid_request", "`since` must lie before `until`, by 31 days at most")
    if asked.threshold is not None and asked.max_false_alerts is not None:
        raise ApiError(422, "invalid_request", "give either `threshold` or `max_false_alerts`")
    stored = [c for c in IndexReader(StateLayout(config.state_dir).index).cameras() if principal.sees(c)]
    decision = Decision(asked.threshold, asked.max_false_alerts)
    try:
        return trial_of(name, config, stored, Period(since, until), asked.camera, decision)
    except BacktestError as error:
        raise ApiError(422, error.code, f"{error.message}; {error.hint}") from error


def _rule(asked: Asked, api: ApiServices) -> tuple[str, Config]:
    """Return the name of what is tried, or its words, and the configuration that knows it."""
    if asked.config is None:
        if not asked.event or not asked.event.strip():
            raise ApiError(422, "invalid_request", "give `event`, or `config`")
        return asked.event, api.config()
    with config_errors():
        store = store_of(api)
        saved = asked.event if asked.event in store.written()[0].get("events", {}) else None
        name = saved or PREVIEW
        return name, store.tried(Put(("events", name), asked.config))


def _shown(job: Job, api: ApiServices) -> Backtested:
    result = estimate = None
    if job.found is not None:
        result = backtest_document(job.found)
        surest = sorted(job.found.hits, key=lambda hit: -hit.score)[:PICTURED]
        pictures = {hit.id: _picture(hit, api) for hit in surest}
        for hit in result["hits"]:
            hit["shown_by"] = pictures.get(hit["id"])
    elif job.estimate is not None:
        estimate = estimate_document(job.estimate)
        for moment, shown in zip(job.estimate.moments, estimate["moments"], strict=True):
            shown["shown_by"] = _picture(moment, api)
    return Backtested(
        id=job.id,
        state=job.state,
        done=job.done,
        total=job.total,
        error=job.error,
        estimate=estimate,
        result=result,
    )


def _picture(hit: Hit | Likely, api: ApiServices) -> str | None:
    """Return the id of a recorded event that has a picture of the same time on the same camera; None if none does."""
    if not hit.live:
        return None
    found = api.log.accepted(hit.camera, hit.start, hit.end + LATER_S)
    last = {r.event.id: r.event for r in found if r.event.evidence.snapshot}
    event = most_overlapping(last.values(), hit.start, hit.end)
    return event.id if event else None
