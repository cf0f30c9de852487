"""Answers questions: plans searches, retrieves moments, and asks a vision-language model about them."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from alignment.errors import WatchwordError
from daemon.asking.answering import answer_question, supported
from daemon.asking.pictures import Still, picture_of
from daemon.asking.planning import Lookup, Plan, lookup, plan_question
from daemon.asking.retrieval import Clue, Finder, Retrieved, retrieve
from daemon.asking.types import (
    Answer,
    Asked,
    AskError,
    AskRequest,
    Audience,
    Failure,
    NumberedMoment,
    Searched,
    Sentence,
    Step,
)
from daemon.config import Config
from daemon.config.over_time import rules_of_cameras, rules_of_files
from daemon.config.sections.cameras import UPLOADS
from daemon.vlm.client import VlmClient
from daemon.vlm.errors import VlmError, VlmNonsense, VlmRefused
from daemon.vlm.factory import VlmClients
from workers.clock import Clock, SystemClock
from workers.publish.log.view import LogView

ANSWER_TIMES = 3  # the verifier's timeout: more pictures are looked at, and more is written


@dataclass(frozen=True, slots=True)
class _Group:
    """Cameras whose recordings the same model may see."""

    client: VlmClient
    cameras: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.cameras))


@dataclass(slots=True)
class _Found:
    """What is known so far, of all groups."""

    clues: dict[int, Clue] = field(default_factory=dict)
    sentences: list[Sentence] = field(default_factory=list)
    searched: list[Searched] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    models: list[str] = field(default_factory=list)


class Asker:
    """Answers questions about one state folder. From any thread.

    ``config``, ``clients``: as they are in force. What belongs to cameras of one model is never sent to another one.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        clients: Callable[[], VlmClients],
        finder: Finder,
        log: LogView,
        still: Still,
        clock: Clock | None = None,
    ) -> None:
        self._config, self._clients = config, clients
        self._finder, self._log, self._still = finder, log, still
        self._clock = clock or SystemClock()

    def ask(self, request: AskRequest, visible: Collection[str] | None = None) -> Iterator[Step | Answer]:
        """Yield what is being done, and last the answer; ``visible``: the cameras that may be known of, None: all.

        Raise ``AskError``, before anything is yielded. How the model or the search fails is part of the answer.
        """
        began, known = time.perf_counter(), self._known(visible)
        if unknown := sorted((request.cameras or frozenset()).difference(known)):
            raise AskError(f"there is no camera {unknown[0]}", f"cameras are {', '.join(known)}")
        groups, left_out = self._groups([c for c in known if request.cameras is None or c in request.cameras])
        if not groups:
            raise AskError(
                f"no vision-language model may be asked about {', '.join(left_out) or 'anything'}",
                "set models.verifier, or ask about other cameras: docs/second-opinion.md",
            )
        return self._answer(began, request, groups, left_out)

    def _answer(
        self, began: float, request: AskRequest, groups: Sequence[_Group], left_out: tuple[str, ...]
    ) -> Iterator[Step | Answer]:
        found, config = _Found(), self._config()
        for group in groups:
            try:
                yield from self._ask(group, request, config, found)
            except WatchwordError as error:
                found.failures.append(_failure(error, group))
        yield Answer(
            "answered" if found.sentences else "failed" if found.failures else "not_seen",
            tuple(found.sentences),
            tuple(NumberedMoment(n, c.moment, c.event.event if c.event else None) for n, c in found.clues.items()),
            tuple(found.searched),
            tuple(found.failures),
            left_out,
            tuple(dict.fromkeys(found.models)),
            time.perf_counter() - began,
        )

    def audience(self, visible: Collection[str] | None = None) -> Audience:
        """Return which models are asked about which of the cameras that may be known of."""
        groups, left_out = self._groups(self._known(visible))
        asked = (Asked(g.client.settings.model, str(g.client.settings.url), g.names) for g in groups)
        return Audience(tuple(asked), left_out)

    def _known(self, visible: Collection[str] | None) -> list[str]:
        config = self._config()
        cameras = {*config.cameras, *([UPLOADS] if config.uploads else [])}
        return sorted(camera for camera in cameras if visible is None or camera in visible)

    def _groups(self, cameras: Sequence[str]) -> tuple[list[_Group], tuple[str, ...]]:
        """Return cameras by the model that may see them, and those that none may see."""
        clients = self._clients()
        by_client: dict[VlmClient, set[str]] = {}
        for camera in cameras:
            if (client := clients.of(camera)) is not None:
                by_client.setdefault(client, set()).add(camera)
        groups = [_Group(client, frozenset(own)) for client, own in by_client.items()]
        return groups, tuple(camera for camera in cameras if clients.of(camera) is None)

    def _ask(self, group: _Group, request: AskRequest, config: Config, found: _Found) -> Iterator[Step]:
        """Ask the model of one group, and add what comes of it; raise ``WatchwordError``."""
        settings, evidence = group.client.settings, config.evidence_folder()
        rules, now = _rules(config, group.cameras), datetime.fromtimestamp(self._clock.wall(), request.zone)
        yield Step("planning", group.names)
        plan, failure = self._plan(group, request, rules, now)
        wanted = lookup(plan, request, group.cameras, rules, now)
        yield Step("searching", tuple(sorted(wanted.cameras)))
        retrieved = retrieve(wanted, self._finder, self._log, evidence)
        numbered = dict(enumerate(retrieved.clues, len(found.clues) + 1))
        found.clues |= numbered
        found.searched.append(_searched(wanted, retrieved))
        if failure is not None:
            raise failure
        if not numbered:
            return
        yield Step("answering", tuple(sorted({clue.moment.camera for clue in numbered.values()})))
        blur_faces = config.privacy.blur_faces
        made = {n: picture_of(c, self._finder, evidence, self._still, blur_faces) for n, c in numbered.items()}
        pictures = {n: jpeg for n, jpeg in made.items() if jpeg is not None}
        question = answer_question(request, group.cameras, numbered, retrieved.events_of, pictures)
        reply = group.client.ask(question, ANSWER_TIMES * settings.timeout)
        found.models.append(reply.model)
        found.sentences += supported(reply.answer, frozenset(numbered))

    def _plan(
        self, group: _Group, request: AskRequest, rules: Mapping[str, Sequence[str]], now: datetime
    ) -> tuple[Plan | None, VlmError | None]:
        """Return the model's plan, or why it has none: then the question itself is searched for.

        A plan that cannot be read is no reason not to ask for an answer.
        """
        try:
            asked = plan_question(request, group.cameras, rules, now)
            return group.client.ask(asked, group.client.settings.timeout).answer, None
        except (VlmNonsense, VlmRefused):
            return None, None
        except VlmError as error:
            return None, error


def _rules(config: Config, cameras: frozenset[str]) -> dict[str, Sequence[str]]:
    """Return the descriptions of the events that are looked for on some cameras, by name."""
    specs = [spec for c in sorted(cameras) for spec in config.event_specs(c if c in config.cameras else None)]
    over_time = [*rules_of_cameras(config), *rules_of_files(config, UPLOADS)]
    described: dict[str, Sequence[str]] = {spec.name: spec.describe for spec in specs}
    return described | {rule.name: (rule.text,) for rule in over_time if cameras.issuperset(rule.cameras)}


def _searched(wanted: Lookup, found: Retrieved) -> Searched:
    texts = tuple(r.text or ", ".join(r.classes) or r.words for r in wanted.requests)
    hours = {camera: round(found.hours_of.get(camera, 0.0), 4) for camera in sorted(wanted.cameras)}
    return Searched(texts, wanted.rules, wanted.since, wanted.until, hours, found.events_of)


def _failure(error: WatchwordError, group: _Group) -> Failure:
    return Failure(error.code, f"{error.message}; {error.hint}" if error.hint else error.message, group.names)
