"""The thread that reads the event log and evaluates rules over time; what they find goes into the same log.

The log's reader ``rules`` is acknowledged when what follows has been accepted. A daemon that was killed reads again
what it had not acknowledged, and finds events with the same ids: nothing is lost, and nothing is published twice.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from alignment.temporal.expressions import Ref
from alignment.temporal.rule import TemporalRule
from alignment.temporal.types import Progress
from daemon.config import Config, config_hash
from daemon.config.over_time import rules_of_cameras
from daemon.logs.failures import Failures
from daemon.observability.snapshot import DaemonSnapshot
from daemon.temporal.runs import RuleRuns
from workers.clock import Clock, SystemClock
from workers.events.erasures import Erasures, content_span
from workers.events.event import Event
from workers.publish.log.following import BATCH, Acknowledge, Follow, LogFollower
from workers.sources.url import is_file
from workers.state_layout import StateLayout
from workers.types import Receipt

READER = "rules"  # its name in the event log
LOOK_S = 0.25

log = structlog.get_logger(__name__)


class TemporalService:
    """Evaluates the rules of live cameras. ``follow``, ``acknowledge`` and ``publish`` are those of the runtime.

    ``snapshot`` returns what the streams have decided so far. Files have their rules with their streams.
    """

    def __init__(
        self,
        config: Config,
        layout: StateLayout,
        follow: Follow,
        acknowledge: Acknowledge,
        publish: Callable[[Sequence[Event]], tuple[Receipt, ...]],
        snapshot: Callable[[], DaemonSnapshot],
        clock: Clock | None = None,
    ) -> None:
        self._config, self._snapshot, self._clock = config, snapshot, clock or SystemClock()
        self._publish, self._erasures = publish, Erasures(layout.erasures)
        self._log = LogFollower(layout.event_log, READER, follow, acknowledge, self._clock)
        self._runs = RuleRuns(self._latest)
        self._mutex = threading.Lock()  # a change of the rules waits for a step
        self._unsent: list[Event] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._stopping = threading.Event()
        failed = "rules over time cannot be evaluated, and are tried again"
        self._errors = Failures(log, "rules over time wait", failed, self._stopping)
        self._thread = threading.Thread(target=self._run, name="rules-over-time", daemon=True)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many revisions of each rule and type were published. From any thread."""
        return dict(self._counts)

    def start(self) -> None:
        """Begin behind what was evaluated last."""
        self.prepare()
        self._thread.start()

    def prepare(self) -> None:
        """Take up the rules, without a thread: ``step`` evaluates them."""
        self._runs.use(_live_rules(self._config), config_hash(self._config), self._clock.wall())

    def apply(self, config: Config) -> None:
        """Evaluate the rules of another configuration; those that are the same go on."""
        with self._mutex:
            self._config = config
            self._unsent += self._runs.use(_live_rules(config), config_hash(config), self._clock.wall())

    def stop(self, timeout_s: float) -> None:
        """Evaluate what the log holds now, end what goes on, and end the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def step(self) -> bool:
        """Evaluate what is new; return whether there was anything in the log. Raise ``WatchwordError``."""
        with self._mutex:
            if self._log.cursor is None and not self._runs.rules:
                return False
            snapshot = self._snapshot()  # before the log: what it says is known by then has been published
            self._log.begin(self._recall)
            records = self._log.batch()
            progress = [] if len(records) == BATCH else list(_watermarks(snapshot))
            parts = self._runs.take(record.event for record in records)
            self._unsent += self._runs.step(parts, progress, self._clock.wall())
            self._send()
            self._log.passed(records)
            self._log.let_go()
            return bool(records)

    def _recall(self, position: int) -> int:
        """Learn from the event log what happened lately; return ``position``, up to where it is evaluated."""
        records = list(self._log.view.since(self._clock.wall() - self._runs.reach_s)) if self._runs.rules else []
        parts = self._runs.take(record.event for record in records)
        past = {record.event.id for record in records if record.seq <= position}
        self._runs.recall([part for part in parts if part.id in past])
        return position

    def _send(self) -> None:
        """Publish what waits; raise where it cannot be kept, and keep it for the next time."""
        wanted = [event for event in self._unsent if not self._is_forgotten(event)]
        if wanted:
            self._publish(wanted)
            self._counts.update((event.event, event.type) for event in wanted)
            for event in wanted:
                log.info("event", type=event.type, camera=event.camera, event_name=event.event, id=event.id, live=True)
        self._unsent = []

    def _is_forgotten(self, event: Event) -> bool:
        """Return whether an event, or one of its parts, was erased or lies in an erased interval."""
        told = [(event.camera, event.id, event.start, event.end)]
        told += [(part.camera, part.id, part.start, part.end) for part in event.parts]
        return any(self._erasures.forbids(c, i, content_span(start, end, ())) for c, i, start, end in told)

    def _latest(self, event_id: str) -> Event | None:
        records = self._log.view.revisions(event_id)
        return records[-1].event if records else None

    def _run(self) -> None:
        while True:
            is_last, found = self._stopping.is_set(), False
            with self._errors.survived():
                found = self.step()
                if is_last and not found:
                    self._end()
            if is_last and not found:
                return
            if not found:
                self._stopping.wait(LOOK_S)

    def _end(self) -> None:
        """Publish the ends of all that goes on: the streams have ended."""
        with self._mutex:
            self._unsent += self._runs.finish(self._clock.wall())
            self._send()
            self._log.let_go(at_once=True)


def _live_rules(config: Config) -> list[TemporalRule]:
    live = {name for name, camera in config.cameras.items() if not is_file(camera.url)}
    return [rule for rule in rules_of_cameras(config) if live.issuperset(rule.cameras)]


def _watermarks(snapshot: DaemonSnapshot) -> Sequence[Progress]:
    """Return until when all events of all live cameras are known."""
    return [
        Progress(Ref(camera.name, event), known.since, known.until, known.lasts_until)
        for camera in snapshot.cameras
        if camera.stream.live
        for event, known in camera.stream.watched.items()
        if known.since <= known.until
    ]
