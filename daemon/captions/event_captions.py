"""Captions of closed events: read from the event log, asked for, and written into it as amendments.

The log's reader ``captions`` is acknowledged up to the oldest event that waits. Whether an event has a caption is in
the log itself, so a daemon that was killed describes those that have none, and no other. What the log says is copied
into the store, by whose words it is found.
"""

from collections import Counter
from collections.abc import Callable

import structlog

from daemon.alerts.attachments import EvidenceReader
from daemon.captions.events import caption_of, described, language_of
from daemon.captions.pending import Pending
from daemon.captions.store import CaptionStore
from daemon.captions.turns import Asker, Turns
from daemon.config import Config
from daemon.verification.look import Looker
from daemon.vlm.errors import VlmError
from daemon.vlm.factory import VlmClients
from workers.clock import Clock
from workers.events.event import Caption, Event
from workers.publish.log.following import Acknowledge, Follow, LogFollower
from workers.publish.log.records import Record
from workers.state_layout import StateLayout

READER = "captions"  # its name in the event log

log = structlog.get_logger()
Amend = Callable[[str, Caption], Event | None]


class EventCaptions:
    """Describes the events of one log. ``follow``, ``acknowledge`` and ``amend`` are those of the runtime.

    ``made`` counts what was written.
    """

    def __init__(
        self,
        layout: StateLayout,
        follow: Follow,
        acknowledge: Acknowledge,
        amend: Amend,
        turns: Turns,
        clock: Clock,
        made: Counter[str],
    ) -> None:
        self._layout, self._turns, self._clock, self._made = layout, turns, clock, made
        self._log = LogFollower(layout.event_log, READER, follow, acknowledge, clock)
        self._amend, self._store, self._pending = amend, CaptionStore(layout.captions), Pending(made)

    @property
    def waiting(self) -> int:
        """Return how many events wait. From any thread."""
        return len(self._pending)

    @property
    def follows(self) -> bool:
        """Return whether the event log waits for this reader."""
        return self._log.cursor is not None

    def read(self) -> None:
        """Take up what is new in the log."""
        self._log.begin()
        while records := self._log.batch():
            for record in records:
                self._take(record)
            self._log.passed(records)

    def describe_next(self, config: Config, clients: VlmClients) -> bool:
        """Describe the event that closed last; return whether one waited. Raise ``VlmError``."""
        waiting = self._pending.freshest(self._clock.wall())
        if waiting is None:
            return False
        event = waiting.event
        client, *others = {clients.of(camera) for camera in (event.camera, *event.cameras)}
        if client is None or others or not client.settings.captions:  # what others decided must not go elsewhere
            self._pending.drop(event.id)
            return True
        language = language_of(event, config, client.settings)
        looker = Looker(self._layout, EvidenceReader(config.evidence_folder()))
        pictures = looker.pictures(event, client.settings.frames)
        try:
            caption = caption_of(event, pictures, language, Asker(self._turns, client))
        except VlmError as error:
            self._pending.failed(event.id, error)
            raise
        if caption is None:
            self._pending.give_up(event.id)
        elif self._amend(event.id, caption) is not None:  # else it was forgotten
            self._made["event"] += 1
            log.info("described", camera=event.camera, event_name=event.event, id=event.id, model=caption.model)
        self._pending.drop(event.id)
        return True

    def let_go(self) -> None:
        """Let the event log go of what is described, now and then."""
        if self._log.let_go(self._pending.floor()):
            self._pending = Pending(self._made)

    def _take(self, record: Record) -> None:
        caption = record.event.caption
        self._pending.note(record)
        if caption is not None and not record.event.cameras:  # who sees one camera may not see what others show
            self._store.add(described(record, caption))
