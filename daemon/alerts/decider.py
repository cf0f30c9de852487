"""Decides for each revision in the event log what is sent to whom, and what is suppressed."""

from collections.abc import Iterator

from daemon.alerts.rules import Route, Rules, is_quiet
from daemon.alerts.store.decisions import Decisions
from daemon.alerts.types import SuppressReason
from workers.events.event import Event
from workers.publish.log.records import Record

AGAIN = "over_budget"  # what a later revision may take back


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
        known = to.of_event(event.id)
        new = [r for r in routes if r.target not in known or (known[r.target][1] == AGAIN and not event.over_budget)]
        if not known and not (new and event.type != "end"):
            return ()  # nobody wants it, or it began before anybody did
        to.keep_event(event, record.at)
        suppressed = tuple(self._begun(route, record, to, now) for route in new if event.type != "end")
        if event.type == "end":
            self._ended(routes, record, to, now)
        return tuple(reason for reason in suppressed if reason)

    def _begun(self, route: Route, record: Record, to: Decisions, now: float) -> SuppressReason | None:
        """Decide about an event for one target; return why it is suppressed."""
        event, at = record.event, record.at
        reason = next(self._objections(route, record, to, now), None)
        message = None if reason else self._message(route, record, to)
        to.add_alert(route.target, event, at, message, reason)
        return reason

    def _objections(self, route: Route, record: Record, to: Decisions, now: float) -> Iterator[SuppressReason]:
        event, at = record.event, record.at
        if event.over_budget:
            yield "over_budget"
        if event.priority < route.min_priority:
            yield "priority"
        if now - at > self._rules.retry_s:
            yield "too_late"
        if route.follows:
            return
        if to.is_muted(event.camera, event.event, at):
            yield "muted"
        if is_quiet(route.quiet, at, self._rules.zone):
            yield "quiet_hours"
        if not route.digest_s and cools_down(route.cooldown_s, route.target, event, at, to):
            yield "cooldown"

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
        alerted = [r for r in routes if known.get(r.target, ("", ""))[0] in ("pending", "delivered")]
        for route in alerted:
            if route.follows:
                to.add_message("end", route.target, event, record.at, now, deadline, event.id)
            elif route.clips and not route.digest_s and event.evidence.clip:
                to.add_message("clip", route.target, event, record.at, now, deadline, event.id)


def cools_down(cooldown_s: float, target: str, event: Event, at: float, to: Decisions) -> bool:
    """Return whether an event comes too soon after one of which an alert was delivered."""
    last = to.last_delivered(target, event.camera, event.event, at)
    return last is not None and at < last + cooldown_s
