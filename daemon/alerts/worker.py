"""The thread that delivers the messages of one target: a slow or dead target delays no other."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from daemon.alerts.channels.base import Channel, DeliveryFailed, TargetRefused, TargetSilent
from daemon.alerts.notice import Composer
from daemon.alerts.rules import Rules
from daemon.alerts.store.database import AlertStoreError
from daemon.alerts.store.queue import MessageQueue
from daemon.alerts.types import FOLLOWING, Message
from workers.backoff import Backoff
from workers.clock import Clock
from workers.events.event import Event
from workers.telemetry import Histogram, HistogramSnapshot

LOOK_S = 1.0  # between two looks for messages that another process added
BACKOFF_S = (1.0, 60.0)
OTHERS_AFTER = 3  # attempts with an error that might be the message's own: then others are tried as well
STORE_S = 2.0  # after an error of the outbox
FULL_FRAME_S = 0.3  # how long the first message waits for the full frame, which is decoded meanwhile
CLIP_S = 90.0  # how long a clip is waited for after its event
CLIP_LOOK_S = 0.5
CLIP_BEHIND_S = 5.0  # while the first message is still to be delivered
LATENCIES = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """What a worker needs to know of its target and of the configuration."""

    name: str
    rules: Rules
    composer: Composer
    pictures: bool


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """A target's counters since the start. ``latency``: seconds from capture to delivery, of live events."""

    up: bool
    delivered: int
    dead: int
    failures: int
    latency: HistogramSnapshot
    suppressed: dict[str, int]
    last_error: str


class TargetWorker:
    """Delivers messages of one target, one after the other, until it is stopped."""

    def __init__(
        self, settings: TargetSettings, channel: Channel, queue: MessageQueue, clock: Clock, pace: float = 1.0
    ) -> None:
        """``pace`` shortens back-off and waits, for tests."""
        self._settings, self._channel, self._queue, self._clock, self._pace = settings, channel, queue, clock, pace
        self._backoff = Backoff(clock, BACKOFF_S[0] * pace, BACKOFF_S[1] * pace, stable_s=0.0)
        self._resume = 0.0  # monotonic: until then the target is left alone
        self._counts: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()
        self._latency = Histogram(LATENCIES)
        self._error = ""
        self._unsettled: Callable[[], None] | None = None  # writes what became of a message, once there is room
        self._changed = threading.Condition()
        self._poked = self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"alerts-{settings.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def poke(self) -> None:
        """Look for messages now."""
        with self._changed:
            self._poked = True
            self._changed.notify_all()

    def update(self, settings: TargetSettings) -> None:
        """Use other settings from the next message on."""
        self._settings = settings

    def stop(self) -> None:
        """Ask the thread to end after the message in hand; return at once."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def snapshot(self) -> WorkerSnapshot:
        """Return the counters."""
        counts = self._counts
        return WorkerSnapshot(
            not self._error,
            counts["delivered"],
            counts["dead"],
            counts["failures"],
            self._latency.snapshot(),
            dict(self._suppressed),
            self._error,
        )

    def _run(self) -> None:
        while not self._stopping:
            try:
                wait_s = self.step()
            except AlertStoreError as error:
                if error.message != self._error and not self._stopping:
                    log.error("alerts wait", target=self._settings.name, code=error.code, error=str(error))
                self._error, wait_s = error.message, STORE_S
            except Exception:  # a worker that died would hold its target's alerts back without a word
                log.exception("an alert failed unexpectedly, and is tried again", target=self._settings.name)
                wait_s = self._leave_alone(0.0)
            with self._changed:
                self._changed.wait_for(lambda: self._poked or self._stopping, max(0.0, wait_s) * self._pace)
                self._poked = False
        with suppress(AlertStoreError):  # the next start takes the message for one that may have arrived
            if self._unsettled is not None:
                self._unsettled()
        self._channel.close()

    def step(self) -> float:
        """Handle the message that is due longest, if there is one; return how long to wait before the next step."""
        if self._unsettled is not None:
            self._settle(self._unsettled)
        left = self._resume - self._clock.monotonic()
        if left > 0:
            return min(left / self._pace, LOOK_S)
        name, now = self._settings.name, self._clock.wall()
        message = self._queue.next_due(name, now)
        if message is None:
            with suppress(DeliveryFailed):  # it is tried again
                self._channel.idle()
            due = self._queue.due_at(name)
            return LOOK_S if due is None else min(LOOK_S, max(0.0, due - now))
        ready = self._prepared(message, now)
        if ready is not None:
            self._deliver(ready, now)
        return 0.0

    def _prepared(self, message: Message, now: float) -> Message | None:
        """Return what is left to be sent of a message; None: nothing, or not yet."""
        if message.kind == "alert":
            message = self._without_cooling(message)
        if not message.items:  # suppressed, or forgotten on request
            self._queue.drop(message)
            return None
        if now > message.deadline:
            self._bury(message, self._error)
            return None
        if message.kind in FOLLOWING and not self._follows(message, now):
            return None
        return message

    def _without_cooling(self, message: Message) -> Message:
        """Return a message without the events that come too soon after one of which an alert was delivered."""
        rules, name = self._settings.rules, self._settings.name
        of = {i.alert_id: rules.cooldown_s(name, i.event.camera, i.event.event) for i in message.items}
        cooling = self._queue.cooling(message, of)
        if not cooling:
            return message
        self._queue.suppress(cooling, "cooldown")
        self._suppressed["cooldown"] += len(cooling)
        return replace(message, items=tuple(item for item in message.items if item not in cooling))

    def _follows(self, message: Message, now: float) -> bool:
        """Return whether what follows an alert can be sent now: the alert was delivered, and the clip is there."""
        state = self._queue.state_of(message)
        if state == "pending":
            self._queue.postpone(message, now + CLIP_BEHIND_S * self._pace)
            return False
        if state != "delivered":
            self._queue.drop(message)
            return False
        if message.kind != "clip" or self._settings.composer.evidence.has_clip(message.items[0].event):
            return True
        if now > message.created + CLIP_S:
            self._queue.drop(message)
        else:
            self._queue.postpone(message, now + CLIP_LOOK_S)
        return False

    def _deliver(self, message: Message, now: float) -> None:
        settings, event = self._settings, message.items[0].event
        is_on = message.kind not in ("end", "verdict") or self._queue.is_on(settings.name, event.camera, event.event)
        pictures = settings.pictures and not message.plain
        if pictures and message.kind == "alert":
            self._wait_for_full_frames(message, now)
        notice = settings.composer.compose(message, now, pictures, is_on)
        self._queue.begin(message)
        try:
            self._channel.send(notice)
        except DeliveryFailed as error:
            self._failed(message, error)
        except AlertStoreError:
            self._failed(message, TargetSilent("alerts cannot be written"))
            raise
        except Exception:  # a bug, perhaps of a library: whether it was sent, nobody knows
            log.exception("an alert failed unexpectedly, and is tried again", target=settings.name)
            self._failed(message, TargetSilent("an unexpected error, which the log describes"))
        else:
            self._arrived(message)

    def _wait_for_full_frames(self, message: Message, now: float) -> None:
        """Give events that began just now time: until the full frame is decoded, the model's small one is there."""
        written = [written_at(item.event) for item in message.items if item.event.live and item.event.evidence.snapshot]
        left = max(written, default=0.0) + FULL_FRAME_S - now
        if 0 < left <= FULL_FRAME_S:
            self._clock.sleep(left)

    def _arrived(self, message: Message) -> None:
        self._backoff.succeeded()
        if self._error:
            log.info("alerts are delivered again", target=self._settings.name)
        self._error = ""
        self._counts["delivered"] += 1
        if message.kind == "alert":
            now = self._clock.wall()
            for item in message.items:
                captured = captured_at(item.event)
                if captured is not None:
                    self._latency.observe(max(0.0, now - captured))
        at = self._clock.wall()
        self._settle(lambda: self._queue.delivered(message, at))

    def _settle(self, write: Callable[[], None]) -> None:
        """Write down what became of a message; as long as that is not possible, nothing else is sent."""
        self._unsettled = write
        write()
        self._unsettled = None

    def _failed(self, message: Message, error: DeliveryFailed) -> None:
        if error.message != self._error:
            log.warning("an alert waits", target=self._settings.name, code=error.code, error=str(error))
        self._error = error.message
        self._counts["failures"] += 1
        if error.blames_target:
            wait_s = self._leave_alone(max(self._backoff.failed(), error.wait_s))
        else:  # others may be accepted
            wait_s = max(error.wait_s, min(BACKOFF_S[1], 2.0**message.attempts) * self._pace)
        due = self._clock.wall() + wait_s
        if due > message.deadline:
            self._bury(message, error.message)
            return
        is_its_own = isinstance(error, TargetRefused | TargetSilent) and message.attempts >= OTHERS_AFTER
        if error.blames_target and not is_its_own:
            due = message.due  # it stays the first
        plain = isinstance(error, TargetRefused) and not error.blames_target
        silent = isinstance(error, TargetSilent)
        self._settle(lambda: self._queue.failed(message, error.message, due, silent, plain))

    def _leave_alone(self, wait_s: float) -> float:
        wait_s = wait_s or self._backoff.failed()
        self._resume = self._clock.monotonic() + wait_s
        return wait_s

    def _bury(self, message: Message, error: str) -> None:
        self._settle(lambda: self._queue.bury(message, error))
        self._counts["dead"] += 1
        log.error("an alert was given up: it is a dead letter", target=self._settings.name, error=error)


def captured_at(event: Event) -> float | None:
    """Return when what decided a live event was captured, Unix seconds; None for files."""
    if event.latency_s is None:
        return None
    return written_at(event) - event.latency_s


def written_at(event: Event) -> float:
    """Return when a revision was written, Unix seconds."""
    return datetime.fromisoformat(event.produced_at).timestamp()
