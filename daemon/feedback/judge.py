"""What people do with feedback: judge an event, take that back, choose a head. From any thread and any process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignment.errors import ExitCode, FeatureError, WatchwordError
from alignment.personal.files import unpack_samples
from daemon.alerts.links import Verdict
from daemon.feedback.store import FeedbackStore
from daemon.feedback.types import Choice, Click, Version
from workers.events.event import Event
from workers.state_layout import StateLayout


class NotJudgeable(WatchwordError):
    """An event cannot be judged: its features are not kept any more, or were never kept."""

    code = "not_judgeable"
    exit_code = ExitCode.USAGE
    remedy = "judge a newer event; `retention.samples` says how long features of events are kept"


class NoSuchHead(WatchwordError):
    """A version of what was learned from feedback is not there any more, or never was."""

    code = "no_such_head"
    exit_code = ExitCode.USAGE
    remedy = "`watchword feedback list` shows the versions"


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one event: its clicks, its heads, the newest first, and which one is in force."""

    clicks: Sequence[Click]
    versions: Sequence[Version]
    choice: Choice


class Judge:
    """Reads and changes the feedback of one state folder; methods raise ``FeedbackStoreError``."""

    def __init__(self, layout: StateLayout) -> None:
        self._samples, self._store = layout.feedback_samples, FeedbackStore(layout.feedback)

    def judge(self, event: Event, verdict: Verdict, now: float) -> None:
        """Keep what somebody says of an event; raise ``NotJudgeable``."""
        try:
            content = self._path(event).read_bytes()
            about = unpack_samples(content)[1]
        except (OSError, FeatureError) as error:
            raise NotJudgeable(f"the features of event {event.id} are not kept") from error
        key, body = str(about.get("key")), event.to_json()
        self._store.judge(Click(event.id, event.camera, event.event, key, verdict, now, content, body))

    def take_back(self, event_id: str) -> None:
        """Forget what somebody said of an event."""
        if self._store.exists:
            self._store.take_back([event_id])

    def verdict(self, event_id: str) -> Verdict | None:
        """Return what was said of an event."""
        click = self._store.click(event_id)
        return click.verdict if click else None

    def is_judgeable(self, event: Event) -> bool:
        """Return whether an event can be judged."""
        return self._path(event).exists()

    def learned(self, event: str) -> Learned:
        """Return what is known of an event, by its name."""
        store = self._store
        return Learned(store.clicks(event), store.versions(event), store.choice(event))

    def events(self) -> list[str]:
        """Return the names of events of which anything is known."""
        return self._store.events()

    def choose(self, event: str, version: int | None) -> None:
        """Put a head of an event into force and stay with it, 0: none; raise ``NoSuchHead``.

        None: follow again what is better, beginning with the newest head that was.
        """
        versions = self._store.versions(event)
        if version is None:
            ready = (v.number for v in versions if not v.report["waits_for"])
            self._store.choose(event, Choice(next(ready, 0)))
            return
        if version and version not in {v.number for v in versions}:
            raise NoSuchHead(f"event {event!r} has no version {version}")
        self._store.choose(event, Choice(version, held=True))

    def back(self, event: str) -> int:
        """Put the head before the one in force into force, and stay with it; return its version, 0: none."""
        now = self._store.choice(event).version
        earlier = (v.number for v in self._store.versions(event) if v.number < now and not v.report["waits_for"])
        version = next(earlier, 0)
        self._store.choose(event, Choice(version, held=True))
        return version

    def _path(self, event: Event) -> Path:
        return self._samples / event.camera / f"{event.id}.safetensors"
