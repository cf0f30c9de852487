"""Rules: the entries of ``events`` in the configuration, how each is read, and changes of them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from alignment.temporal.wording import LANGUAGES, in_words
from daemon.api.editing import Entry, IfMatch, Written, config_errors, require_all_cameras, store_of, write
from daemon.api.errors import ApiError, not_found
from daemon.api.permissions import Editor, Viewer
from daemon.api.services import Api
from daemon.checking.descriptions import DescriptionJudge
from daemon.config import Config
from daemon.config.editing.edits import Edit, Put, Remove
from daemon.config.over_time import rules_of_cameras, rules_of_files
from daemon.config.sections.cameras import UPLOADS
from daemon.config.sections.events import RuleOverTime, resolve
from daemon.config.types import Name
from daemon.http.access import Principal
from daemon.http.limits import RouteClass, limited

PREVIEW = "preview"
router = APIRouter(prefix="/rules", tags=["rules"], dependencies=[limited(RouteClass.API)])


class ReadDescription(BaseModel):
    """What one description is read as."""

    text: str
    read_as: str
    problem: str | None = Field(description="Why it will not be found, or not as it is meant; null: it will.")
    note: str | None = Field(default=None, description="Where it will be found: only near the camera, for example.")


class Reading(BaseModel):
    """A rule as it is decided, with defaults filled in; as `watchword check --json`."""

    descriptions: tuple[ReadDescription, ...]
    modalities: tuple[str, ...] = Field(description="By what it is looked for: vision, speech, sound.")
    threshold: float | None
    max_false_alerts_per_hour: float | None
    min_duration_s: float | None
    merge_gap_s: float | None
    priority: int
    sentences: dict[str, str] = Field(
        default={}, description="Of a rule over time: what it means, in words, by language (en, zh)."
    )


class Rule(BaseModel):
    """One rule."""

    name: str
    enabled: bool
    config: dict[str, Any] = Field(description="The entry as it is written.")
    cameras: tuple[str, ...] = Field(description="Where it is looked for; `uploads`: in files that are uploaded.")
    reading: Reading
    warnings: tuple[str, ...]


class Rules(BaseModel):
    """All rules, in the order of the configuration."""

    version: str
    rules: tuple[Rule, ...]


class Read(BaseModel):
    """How a rule that is not saved would be read."""

    reading: Reading
    warnings: tuple[str, ...]


@router.get("", response_model=Rules)
def list_rules(principal: Viewer, api: Api, response: Response) -> Rules:
    """Return the rules that are looked for on cameras that the client may know of."""
    store = store_of(api)
    with config_errors():
        (config, version), (data, written) = store.read(), store.written()
        while version != written:  # somebody writes
            (config, version), (data, written) = store.read(), store.written()
    response.headers["etag"] = f'"{version}"'
    return Rules(version=version, rules=tuple(_rules(config, data, principal)))


@router.get("/{name}", response_model=Rule)
def one_rule(name: str, principal: Viewer, api: Api, response: Response) -> Rule:
    """Return one rule; `ETag` is the version of the configuration."""
    found = next((rule for rule in list_rules(principal, api, response).rules if rule.name == name), None)
    if found is None:
        raise not_found("rule")
    return found


@router.put("/{name}", response_model=Written)
def put_rule(
    name: Name, entry: Entry, principal: Editor, api: Api, response: Response, if_match: IfMatch = None
) -> Written:
    """Add or replace a rule. It takes effect without a restart of any camera."""
    return write(api, principal, if_match, [Put(("events", name), entry)], response)


@router.delete("/{name}", response_model=Written)
def delete_rule(name: str, principal: Editor, api: Api, response: Response, if_match: IfMatch = None) -> Written:
    """Remove a rule, also from the cameras that list it."""
    require_all_cameras(principal)
    with config_errors():
        data, _ = store_of(api).written()
    if name not in data.get("events", {}):
        raise not_found("rule")
    return write(api, principal, if_match, [*_without(name, data), Remove(("events", name))], response)


@router.post("/read", response_model=Read)
def read_rule(entry: Entry, principal: Editor, api: Api) -> Read:
    """Return how a rule would be read, and what it cannot do; nothing is saved."""
    require_all_cameras(principal)
    with config_errors():
        config = store_of(api).tried(Put(("events", PREVIEW), entry))
    reading = _reading(PREVIEW, config, DescriptionJudge(config))
    return Read(reading=reading, warnings=_warnings(reading))


def _rules(config: Config, data: dict[str, Any], principal: Principal) -> Iterator[Rule]:
    judge = DescriptionJudge(config)
    for name in config.events:
        cameras = tuple(camera for camera in _cameras_of(name, config, principal) if principal.sees(camera))
        if cameras or principal.cameras is None:
            reading = _reading(name, config, judge)
            entry = data["events"][name]
            yield Rule(
                name=name,
                enabled=config.events[name].enabled,
                config=entry,
                cameras=cameras,
                reading=reading,
                warnings=_warnings(reading),
            )


def _cameras_of(rule: str, config: Config, principal: Principal) -> Iterator[str]:
    made = [one.camera for one in rules_of_cameras(config) if one.name == rule and principal.sees(*one.cameras)]
    for camera in config.cameras:
        if camera in made or any(spec.name == rule for spec in config.event_specs(camera)):
            yield camera
    of_files = {spec.name for spec in config.event_specs()} | {one.name for one in rules_of_files(config, UPLOADS)}
    if config.uploads and rule in of_files:
        yield UPLOADS


def _reading(name: str, config: Config, judge: DescriptionJudge) -> Reading:
    from workers.queries.build import modalities_of  # loads the lists of words

    event = config.events[name]
    if isinstance(event, RuleOverTime):
        return _reading_over_time(event)
    spec = resolve(name, event, None)
    judged = judge(spec)
    meant = dict.fromkeys(m for text in spec.describe for m in modalities_of(text, spec))
    fields = ("threshold", "max_false_alerts_per_hour", "min_duration_s", "merge_gap_s", "priority")
    return Reading(
        descriptions=tuple(ReadDescription(**asdict(one)) for one in judged),
        modalities=tuple(meant),
        **{field: getattr(spec, field) for field in fields},
    )


def _reading_over_time(event: RuleOverTime) -> Reading:
    priority = 5 if event.priority is None else event.priority
    fields = ("threshold", "max_false_alerts_per_hour", "min_duration_s", "merge_gap_s")
    sentences: dict[str, str] = {language: in_words(event.when.expression, language) for language in LANGUAGES}
    return Reading(descriptions=(), modalities=(), priority=priority, sentences=sentences, **dict.fromkeys(fields))


def _warnings(reading: Reading) -> tuple[str, ...]:
    return tuple(one.problem for one in reading.descriptions if one.problem)


def _without(rule: str, data: dict[str, Any]) -> Iterator[Edit]:
    """Yield what removes a rule from the cameras that list it; raise ``ApiError`` where one lists nothing else."""
    for camera, entry in data.get("cameras", {}).items():
        listed = entry.get("events") if isinstance(entry, dict) else None
        if not isinstance(listed, list | dict) or rule not in listed:
            continue
        if len(listed) == 1:
            text = f"camera {camera} is watched for nothing else: change its `events` first"
            raise ApiError(409, "rule_in_use", text)
        path = ("cameras", camera, "events")
        yield Remove((*path, rule)) if isinstance(listed, dict) else Put(path, [one for one in listed if one != rule])
