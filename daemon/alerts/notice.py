"""What a message says, before a channel gives it the form of its service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from daemon.alerts.attachments import EvidenceReader, Picture
from daemon.alerts.links import Links
from daemon.alerts.text import inert, local_time, span
from daemon.alerts.types import Item, Message, MessageKind
from workers.events.event import Event
from workers.events.timestamps import clock

LATE_S = 60.0  # a message that is later than this says so
MAX_PICTURES = 4  # in one message
MAX_LISTED = 20  # events that a digest lists
MAX_WORDS = 3  # utterances


@dataclass(frozen=True, slots=True)
class Subject:
    """One event of a message, with its links; ``on``: an event like it has not ended."""

    event: Event
    at: float
    url: str | None = None
    snapshot_url: str | None = None
    clip_url: str | None = None
    mute_url: str | None = None
    wrong_url: str | None = None
    right_url: str | None = None
    picture: Picture | None = None
    on: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to be sent: ``lines`` is plain text in which texts of strangers are inert; ``links`` have labels."""

    id: str
    kind: MessageKind | str
    title: str
    lines: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    subjects: tuple[Subject, ...] = ()
    pictures: tuple[Picture, ...] = ()
    priority: int = 5
    possible_duplicate: bool = False
    created: float = 0.0
    deadline: float = 0.0

    @property
    def text(self) -> str:
        """Return the message as plain text, links included."""
        return "\n".join((*self.lines, *(f"{label}: {url}" for label, url in self.links)))


class Composer:
    """Composes the messages of one configuration: links, and the time zone of people."""

    def __init__(self, links: Links, zone: tzinfo | None, evidence: EvidenceReader) -> None:
        self._links, self._zone, self.evidence = links, zone, evidence

    def compose(self, message: Message, now: float, pictures: bool, is_on: bool = True) -> Notice:
        """Return what a message says; files that cannot be read are left out.

        ``is_on``: an event like that which has ended has not ended itself.
        """
        kind = "alert" if message.kind == "replay" else message.kind
        shown = message.items if kind != "digest" else message.items[-MAX_LISTED:]
        subjects = tuple(self._subject(item, kind, now, pictures, is_on) for item in shown)
        files = tuple(s.picture for s in subjects if s.picture)[:MAX_PICTURES]
        if kind == "clip" and pictures:
            files = tuple(file for s in subjects if (file := self.evidence.clip(s.event)))
        return Notice(
            id=message.id,
            kind=kind,
            title=_title(kind, message.items),
            lines=tuple(self._lines(message, kind, now)),
            links=tuple(self._links_of(kind, subjects)),
            subjects=subjects,
            pictures=files,
            priority=max((item.event.priority for item in message.items), default=5),
            possible_duplicate=message.doubtful,
            created=message.created,
            deadline=message.deadline,
        )

    def _subject(self, item: Item, kind: str, now: float, pictures: bool, is_on: bool) -> Subject:
        event, links = item.event, self._links
        return Subject(
            event,
            item.at,
            links.event(event.id),
            links.evidence(event.id, "snapshot.jpg") if event.evidence.snapshot else None,
            links.evidence(event.id, "clip.mp4") if event.evidence.clip else None,
            links.mute(event.camera, event.event, now),
            links.feedback(event.id, "wrong", now),
            links.feedback(event.id, "right", now),
            self.evidence.snapshot(event) if pictures and kind not in ("clip", "verdict") else None,
            is_on,
        )

    def _lines(self, message: Message, kind: str, now: float) -> Iterator[str]:
        items = message.items
        if kind == "digest":
            yield from self._summary(items)
        else:
            for item in items:
                yield from self._told(item.event, many=len(items) > 1)
        late = now - max(item.at for item in items) if items else 0.0
        if kind == "alert" and late > LATE_S:
            yield f"Delayed by {span(late)}."
        if message.doubtful:
            yield "Possibly a duplicate: an earlier attempt got no answer."

    def _told(self, event: Event, many: bool) -> Iterator[str]:
        """Yield what is to be said of one event."""
        zone = f", {' or '.join(event.zone)}" if event.zone else ""
        where = f"{event.camera}{zone}: " if many else ""
        yield f"{where}{inert(event.description[0])}, {event.score:.0%}" + ("" if many else zone)
        yield self._when(event)
        seen = ", ".join(dict.fromkeys(o.name for o in event.evidence.objects))
        if seen:
            yield f"Seen: {inert(seen)}"
        for word in event.evidence.words[-MAX_WORDS:]:
            yield f"Heard: “{inert(word.text)}”"
        if said := opinion(event):
            yield said

    def _when(self, event: Event) -> str:
        if event.start_unix is not None:
            return local_time(event.start_unix, self._zone)
        name = f"{inert(event.source.name)}, " if event.source else ""
        return f"{name}{clock(event.start, live=False)} from its start"

    def _summary(self, items: Sequence[Item]) -> Iterator[str]:
        counts: dict[tuple[str, str], int] = {}
        for item in items:
            key = item.event.camera, item.event.event
            counts[key] = counts.get(key, 0) + 1
        for (camera, name), n in sorted(counts.items()):
            yield f"{camera}: {n} × {name}"
        listed = items[-MAX_LISTED:]
        if len(items) > len(listed):
            yield f"The last {len(listed)}:"
        for item in listed:
            event = item.event
            said = f", {event.verification.verdict}" if event.verification else ""
            at = local_time(item.at, self._zone)
            yield f"{at} {event.camera}: {inert(event.description[0])}, {event.score:.0%}{said}"

    def _links_of(self, kind: str, subjects: Sequence[Subject]) -> Iterator[tuple[str, str]]:
        if kind == "digest":
            if page := self._links.page():
                yield "Open", page
            return
        for subject in subjects:
            of = f" {subject.event.camera}" if len(subjects) > 1 else ""
            if subject.url:
                yield f"Open{of}", subject.url
            if subject.mute_url and kind == "alert":
                yield f"Mute{of} for an hour", subject.mute_url
            if subject.wrong_url and subject.right_url and kind == "alert":
                yield f"False alert{of}", subject.wrong_url
                yield f"Right{of}", subject.right_url


def _title(kind: str, items: Sequence[Item]) -> str:
    if kind == "digest":
        return f"{len(items)} event{'s' * (len(items) != 1)}"
    cameras = ", ".join(dict.fromkeys(item.event.camera for item in items))
    event = items[0].event.event if items else ""
    known = items[0].event.verification if items and kind == "verdict" else None
    label = "Clip: " if kind == "clip" else f"{known.verdict.capitalize()}: " if known else ""
    return f"{label}{event} on {cameras}"


def opinion(event: Event) -> str:
    """Return what the verifier says of an event, in one line; empty where it has not looked yet, or is not to."""
    known = event.verification
    if known is None or known.verdict == "pending":
        return ""
    if known.verdict == "unavailable":
        return f"No second opinion: {inert(known.why)}"
    sure = "" if known.confidence is None else f" ({known.confidence:.0%})"
    return f"Second opinion: {known.verdict}{sure}. {inert(known.why)}"
