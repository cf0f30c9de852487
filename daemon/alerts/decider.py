"""Decides for each revision in the event log what is sent to whom, and what is suppressed."""

from collections.abc import Iterator, Sequence

from daemon.alerts.rules import Route, Rules, is_quiet
from daemon.alerts.store.decisions import Decisions, Known
from daemon.alerts.types import HeldReason, SuppressReason, Unverified
from workers.events.event import Event
from workers.publish.log.records import Record

AGAIN = frozenset({"over_budget", "verifying", "rejected", "not_confirmed", "unverified"})  # later revisions may differ
VERDICTS = frozenset({"confirmed", "rejected", "unsure"})


class Decider:
    """Decides by the settings ``rules``; counts nothing and sends nothing."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @property
    def is_idle(self) -> bool:
        """Return whether there is nobody to decide for."""
        return not self._rules.has_targets

    def decide(self, record: Record, to: Decisions, now: float) -> tuple[SuppressReason, ...]:
        """Decide about one revision, and write it down; return the reasons of what is suppressed now."""
        event, routes = record.event, self._rules.routes(record.event.camera, record.event.event)
        known, before = to.of_event(event.id), to.event(event.id) if event.verification else None
        opens = event.type != "end"
        new = [r for r in routes if (opens and r.target not in known) or _again(known.get(r.target), event)]
        if not known and not new:
            return ()  # nobody wants it, or it began before anybody did
        to.keep_event(event, record.at)
        reasons = tuple(self._begun(route, record, to, now) for route in new)
        if _verdict(event) not in (None, before and _verdict(before)):
            self._judged([r for r in routes if is_alerted(known.get(r.target))], record, to, now)
        if event.type == "end":
            self._ended(routes, record, to, now)
        return tuple(reason for reason in reasons if reason and reason != "verifying")

    def _begun(self, route: Route, record: Record, to: Decisions, now: float) -> SuppressReason | HeldReason | None:
        """Decide about an event for one target; return why it is suppressed or held."""
        event, at = record.event, record.at
        reason = next(self._objections(route, record, to, now), None)
        message = None if reason else self._message(route, record, to)
        to.add_alert(route.target, event, at, message, reason)
        return reason

    def _objections(
        self, route: Route, record: Record, to: Decisions, now: float
    ) -> Iterator[SuppressReason | HeldReason]:
        event, at = record.event, record.at
        if event.over_budget:
            yield "over_budget"
        if event.priority < route.min_priority:
            yield "priority"
        if now - to.accepted(event.id) > self._rules.retry_s:
            yield "too_late"
        if not route.follows:
            if to.is_muted(event.camera, event.event, at):
                yield "muted"
            if is_quiet(route.quiet, at, self._rules.zone):
                yield "quiet_hours"
            if not route.digest_s and cools_down(route.cooldown_s, route.target, event, at, to):
                yield "cooldown"
        if reason := unverified(event):
            yield reason

    def _message(self, route: Route, record: Record, to: Decisions) -> str:
        """Return the message by which an event is alerted: one that waits for others, or a new one."""
        event, at = record.event, record.at
        if route.digest_s:
            joined = to.joinable("digest", route.target, "", at - route.digest_s)
            due = at + route.digest_s
            return joined or to.add_message("digest", route.target, event, at, due, due + self._rules.retry_s)
        if route.group_s:
            joined = to.joinable("alert", route.target, event.event, at - route.group_s, event.camera)
            if joined:
                return joined
        due, deadline = at + route.group_s, at + self._rules.retry_s
        return to.add_message("alert", route.target, event, at, due, deadline, event.event if route.group_s else "")

    def _ended(self, routes: tuple[Route, ...], record: Record, to: Decisions, now: float) -> None:
        """Add what follows the end of an event: the clip, or the end itself, where the event was alerted."""
        event, known, deadline = record.event, to.of_event(record.event.id), record.at + self._rules.retry_s
        for route in (r for r in routes if is_alerted(known.get(r.target))):
            if route.follows:
                to.add_message("end", route.target, event, record.at, now, deadline, event.id)
            elif route.clips and not route.digest_s and event.evidence.clip:
                to.add_message("clip", route.target, event, record.at, now, deadline, event.id)

    def _judged(self, alerted: Sequence[Route], record: Record, to: Decisions, now: float) -> None:
        """Add what follows a verdict on an event that was alerted before."""
        event, deadline = record.event, record.at + self._rules.retry_s
        for route in alerted:
            if not route.digest_s:
                to.add_message(
                    "verdict", route.target, event, record.at, now, deadline, event.id, _verdict(event) or ""
                )


def unverified(event: Event) -> Unverified | HeldReason | None:
    """Return why the verifier's verdict, or that there is none, keeps an event from being alerted; None: nothing does.

    With `label` nothing ever does; with `hold` a rejection; with `only_confirmed` all but a confirmation.
    """
    known = event.verification
    if known is None or known.policy == "label" or known.verdict == "confirmed":
        return None
    match known.verdict:
        case "pending":
            return "verifying"
        case "rejected":
            return "rejected"
        case "unsure":
            return "not_confirmed" if known.policy == "only_confirmed" else None
        case _:
            return "unverified" if known.fallback == "suppress" else None


def _again(known: Known | None, event: Event) -> bool:
    """Return whether what was decided about an event is to be decided again: its reason does not hold any more."""
    reason = known[1] if known else ""
    return reason in AGAIN and reason != ("over_budget" if event.over_budget else unverified(event))


def is_alerted(known: Known | None) -> bool:
    """Return whether an event was alerted, or is about to be."""
    return known is not None and known[0] in ("pending", "delivered")


def _verdict(event: Event) -> str | None:
    """Return a model's verdict on an event; None: there is none."""
    verdict = event.verification.verdict if event.verification else ""
    return verdict if verdict in VERDICTS else None


def cools_down(cooldown_s: float, target: str, event: Event, at: float, to: Decisions) -> bool:
    """Return whether an event comes too soon after one of which an alert was delivered."""
    last = to.last_delivered(target, event.camera, event.event, at)
    return last is not None and at < last + cooldown_s
