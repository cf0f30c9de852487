"""Alerts of one daemon: the thread that decides, a thread for each target, and what others ask of them."""

import threading
from collections import Counter
from contextlib import suppress

from daemon.alerts.attachments import EvidenceReader
from daemon.alerts.channels.factory import build_channel
from daemon.alerts.decider import Decider
from daemon.alerts.dispatcher import Dispatcher
from daemon.alerts.links import Links, link_key
from daemon.alerts.notice import Composer
from daemon.alerts.rules import Rules
from daemon.alerts.store.database import AlertStoreError
from daemon.alerts.store.decisions import Decisions
from daemon.alerts.store.history import AlertStore
from daemon.alerts.store.queue import MessageQueue
from daemon.alerts.store.session import Session
from daemon.alerts.types import REASONS
from daemon.alerts.worker import TargetSettings, TargetWorker
from daemon.config import Config
from daemon.config.over_time import rules_of_cameras
from daemon.observability.snapshot import AlertsSnapshot, TargetSnapshot
from workers.clock import Clock, SystemClock
from workers.publish.log.following import Acknowledge, Follow
from workers.state_layout import StateLayout


class AlertService:
    """Reads the event log, decides, and delivers. ``follow`` and ``acknowledge`` are those of the runtime.

    ``history`` lists, replays and mutes; ``links`` makes and reads links. ``pace`` shortens waits, for tests.
    """

    def __init__(
        self,
        config: Config,
        layout: StateLayout,
        follow: Follow,
        acknowledge: Acknowledge,
        clock: Clock | None = None,
        pace: float = 1.0,
    ) -> None:
        self._config, self._layout, self._clock, self._pace = config, layout, clock or SystemClock(), pace
        self.history = AlertStore(layout.alerts)
        self._key = link_key(layout.alerts)
        self._session, self._mutex = Session(layout.alerts), threading.RLock()
        self._queue = MessageQueue(self._session)
        decider = Decider(Rules(config))
        self._dispatcher = Dispatcher(
            layout.event_log,
            self._session,
            decider,
            self._prepare,
            follow,
            acknowledge,
            self._decided,
            self._clock,
            pace,
        )
        self._is_ready = False
        self._latest = AlertsSnapshot()
        self._workers: dict[str, TargetWorker] = {}
        self._ending: list[TargetWorker] = []

    @property
    def links(self) -> Links:
        """Return what makes and reads the links of messages."""
        return Links(self._config.alerts.public_url, self._key)

    def start(self) -> None:
        """Begin where the last run stopped; on a full disk as soon as there is room."""
        self._dispatcher.start()

    def _prepare(self, position: int) -> int:
        """Return up to where the event log is decided, and start to deliver; raise ``WatchwordError``."""
        with self._session.changing() as connection:
            decisions = Decisions(connection)
            known = decisions.cursor()
            if known is None:  # the first start: what happened before is not alerted
                decisions.set_cursor(position)
        self._queue.recover(self._config.alerts.targets)
        with self._mutex:
            self._is_ready = True
            for name in self._config.alerts.targets:
                self._begin(name)
        return position if known is None else known

    def apply(self, config: Config) -> None:
        """Use another configuration: targets that changed begin anew, messages that wait for the others go on."""
        with self._mutex:
            before, self._config = self._config, config
            self._dispatcher.use(Decider(Rules(config)))
            if self._is_ready:
                self._change_targets(before, config)

    def _change_targets(self, before: Config, config: Config) -> None:
        old, new = before.alerts.targets, config.alerts.targets
        has_other_inputs = _inputs(before) != _inputs(config)
        for name in list(self._workers):
            if new.get(name) != old.get(name) or has_other_inputs:  # brokers are told which cameras there are
                worker = self._workers.pop(name)
                worker.stop()
                self._ending.append(worker)
        self._queue.retarget(new)
        self._ending = [worker for worker in self._ending if not worker.join(0.0)]
        for name in new:
            if name in self._workers:
                self._workers[name].update(self._settings(name))
            else:
                self._begin(name)

    def stop(self, timeout_s: float, flush_s: float = 0.0) -> None:
        """Decide what is in the event log, let deliveries in hand finish, and end; what is left waits on disk.

        ``flush_s``: how long to wait until every message is delivered.
        """
        self._dispatcher.stop(timeout_s / 2)
        self._flush(flush_s)
        workers = [*self._workers.values(), *self._ending]
        for worker in workers:
            worker.stop()
        end = self._clock.monotonic() + timeout_s / 2
        for worker in workers:
            worker.join(max(0.0, end - self._clock.monotonic()))
        self._session.close()

    def _flush(self, timeout_s: float) -> None:
        end = self._clock.monotonic() + timeout_s
        with suppress(AlertStoreError):
            while (left := end - self._clock.monotonic()) > 0 and self._queue.depths():
                self._clock.sleep(min(0.1, left))

    def snapshot(self) -> AlertsSnapshot | None:
        """Return the counters, for metrics: the last ones where the disk gives none, None without targets."""
        if not self._config.alerts.targets:
            return None
        with suppress(AlertStoreError):
            self._latest = self._counted()
        return self._latest

    def _counted(self) -> AlertsSnapshot:
        depths, suppressed = self._queue.depths(), Counter[str](dict.fromkeys(REASONS, 0))
        suppressed.update(self._dispatcher.suppressed)
        targets, now = {}, self._clock.wall()
        for name, worker in list(self._workers.items()):
            counts = worker.snapshot()
            suppressed.update(counts.suppressed)
            depth = depths.get(name)
            oldest_s = max(0.0, now - depth.oldest) if depth and depth.oldest is not None else 0.0
            targets[name] = TargetSnapshot(
                counts.up,
                counts.delivered,
                counts.dead,
                counts.failures,
                depth.waiting if depth else 0,
                oldest_s,
                counts.latency,
            )
        return AlertsSnapshot(targets, dict(suppressed))

    def _begin(self, name: str) -> None:
        channel = build_channel(self._config, name, self._clock, self._session)
        worker = TargetWorker(self._settings(name), channel, self._queue, self._clock, self._pace)
        self._workers[name] = worker
        worker.start()

    def _settings(self, name: str) -> TargetSettings:
        alerts = self._config.alerts
        composer = Composer(self.links, alerts.time_zone, EvidenceReader(self._config.evidence_folder()))
        return TargetSettings(name, Rules(self._config), composer, alerts.targets[name].pictures)

    def _decided(self) -> None:
        for worker in list(self._workers.values()):
            worker.poke()


def _inputs(config: Config) -> object:
    made = [(rule.camera, rule.name) for rule in rules_of_cameras(config)]
    inputs = [(c.name, c.events) for c in config.camera_specs()]
    return inputs, made, config.alerts.public_url, config.uploads is None
