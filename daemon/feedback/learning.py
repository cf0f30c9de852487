"""From clicks to heads: a head is made of every click, judged in shadow, and put into force when it is better."""

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import structlog

from alignment.errors import FeatureError
from alignment.file_io import make_folder, replacing
from alignment.personal.files import pack_head
from alignment.personal.fitting import Judged, fit
from alignment.personal.head import Head
from alignment.personal.judging import cross_validate, is_better
from daemon.feedback.shadow import Recent, read_samples, replay
from daemon.feedback.store import FeedbackStore
from daemon.feedback.types import Choice, Click, Version, WaitsFor
from workers.clock import Clock, SystemClock
from workers.state_layout import StateLayout

LEAST_CLICKS = 4  # for a head to be put into force without being asked for
MOST_CLICKS = 60  # the newest ones of an event, of which a head is made
SILENCED = 0.8  # of the latest events that nobody judged: a head that takes more waits until somebody chooses it
ENOUGH_EVENTS = 5  # that nobody judged, for that share to mean anything

log = structlog.get_logger()


class Learner:
    """Keeps the heads of one state folder in step with clicks and choices. For one thread."""

    def __init__(self, layout: StateLayout, clock: Clock | None = None) -> None:
        self._layout, self._clock = layout, clock or SystemClock()
        self._store = FeedbackStore(layout.feedback)

    def step(self) -> frozenset[str]:
        """Make the heads that are missing; return the events for which another head is in force now.

        Raise ``FeedbackStoreError`` or ``OSError``.
        """
        names = {*self._store.events(), *(path.stem for path in self._layout.heads.glob("*.safetensors"))}
        for event in names:
            self._learn(event)
        return frozenset(event for event in names if self._deliver(event))

    def _learn(self, event: str) -> None:
        """Make a head of the clicks on an event, unless the newest one was made of them."""
        clicks, versions, choice = self._store.clicks(event), self._store.versions(event), self._store.choice(event)
        clicks = [click for click in clicks if click.key == clicks[-1].key][-MOST_CLICKS:]
        judged = [found for click in clicks if (found := _judged(click)) is not None]
        if not judged:
            if choice.version and not choice.held:
                self._store.choose(event, Choice())
            return
        digest = _digest(clicks)
        if versions and versions[0].digest == digest:
            return
        began = time.perf_counter()
        head = fit(judged)
        report = self._report(clicks, judged, head) | {"seconds": round(time.perf_counter() - began, 3)}
        number = 1 + max(versions[0].number if versions else 0, choice.version)
        about = {"event": event, "key": clicks[-1].key, "number": number}
        version = Version(event, number, clicks[-1].key, self._clock.wall(), digest, report)
        self._store.add(version, pack_head(head, about))
        takes = not (report["waits_for"] or choice.held)
        if takes:
            self._store.choose(event, Choice(number))
        log.info("learned from feedback", event_name=event, version=number, in_force=takes, why=report["waits_for"])

    def _report(self, clicks: Sequence[Click], judged: Sequence[Judged], head: Head) -> dict[str, Any]:
        """Return how a head does: on clicks that were left out when it was made, and on what happened lately."""
        trial = cross_validate(judged)
        ids = {click.event_id for click in clicks}
        recent = replay(self._layout.feedback_samples, clicks[-1], ids, head, self._clock.wall())
        return {
            "right": trial.right,
            "wrong": trial.wrong,
            "right_kept": trial.right_kept,
            "wrong_kept": trial.wrong_kept,
            "recent": recent.as_json(),
            "waits_for": _waits_for(len(judged), is_better(judged, head, trial), recent),
        }

    def _deliver(self, event: str) -> bool:
        """Write the head in force to where streams read it; return whether it is another one."""
        choice, path = self._store.choice(event), self._layout.heads / f"{event}.safetensors"
        content = self._store.head(event, choice.version) if choice.version else None
        if content == (path.read_bytes() if path.exists() else None):
            return False
        if content is None:
            path.unlink(missing_ok=True)
            return True
        make_folder(path.parent, 0o700)
        with replacing(path, private=True) as part:
            part.write_bytes(content)
        return True


def _waits_for(clicks: int, better: bool, recent: Recent) -> WaitsFor:
    """Return what keeps a head in shadow; "": nothing."""
    if clicks < LEAST_CLICKS:
        return "clicks"
    if not better:
        return "not_better"
    if recent.unjudged >= ENOUGH_EVENTS and recent.unjudged_kept < (1 - SILENCED) * recent.unjudged:
        return "silences"
    return ""


def _digest(clicks: Sequence[Click]) -> str:
    """Return what names a set of clicks."""
    return hashlib.sha256(repr(sorted((c.event_id, c.verdict) for c in clicks)).encode()).hexdigest()[:16]


def _judged(click: Click) -> Judged | None:
    """Return a click as a head learns from it; None where its features are damaged."""
    try:
        return read_samples(click.samples, click.verdict == "right")[0]
    except FeatureError as error:
        log.warning("a click cannot be used", event=click.event_id, error=str(error))
        return None
