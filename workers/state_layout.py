"""What lies where in the state folder: the one place that names its files and sub-folders."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateLayout:
    """The places of one state folder; nothing is read or made here. ``daemon.service.state_folder`` opens it."""

    root: Path

    @property
    def schema(self) -> Path:
        """Return the file with the version of this layout."""
        return self.root / "schema"

    @property
    def lock(self) -> Path:
        """Return the file that the one daemon of this folder holds locked."""
        return self.root / "lock"

    @property
    def event_log(self) -> Path:
        """Return where the event log lies, which every event enters before it is published."""
        return self.root / "events"

    @property
    def budgets(self) -> Path:
        """Return where cameras keep what they learned about their false alerts, ``CAMERA.json``."""
        return self.root / "budgets"

    @property
    def evidence(self) -> Path:
        """Return where pictures of events go, ``CAMERA/ID.jpg`` and ``CAMERA/ID.explain.png``."""
        return self.root / "evidence"

    @property
    def redis(self) -> Path:
        """Return where the embedded server keeps its data, settings and address."""
        return self.root / "redis"

    @property
    def redis_events(self) -> Path:
        """Return where the embedded server keeps events, in append-only files."""
        return self.redis / "appendonlydir"

    @property
    def privacy(self) -> Path:
        """Return where ``watchword forget`` keeps its requests and receipts."""
        return self.root / "privacy"

    @property
    def erasures(self) -> Path:
        """Return the file that says what was forgotten, so that it is not told again."""
        return self.privacy / "erasures.jsonl"

    @property
    def alerts(self) -> Path:
        """Return where alerts are kept that are to be delivered, were delivered, or were suppressed."""
        return self.root / "alerts"

    @property
    def index(self) -> Path:
        """Return where lies what streams saw and heard, ``CAMERA/SHARD``, for searching and trying rules."""
        return self.root / "index"

    @property
    def feedback(self) -> Path:
        """Return where clicks on events are kept, what they were about, and the heads that were made of them."""
        return self.root / "feedback"

    @property
    def feedback_samples(self) -> Path:
        """Return where the features of events are kept that may be clicked on, ``CAMERA/ID.safetensors``."""
        return self.feedback / "samples"

    @property
    def heads(self) -> Path:
        """Return where the heads in force are, ``EVENT.safetensors``."""
        return self.feedback / "heads"

    @property
    def captions(self) -> Path:
        """Return where captions of events and of uploads are kept."""
        return self.root / "captions"

    @property
    def uploads(self) -> Path:
        """Return the file that says which uploads were watched when, and where they are now."""
        return self.root / "uploads.jsonl"

    @property
    def verification(self) -> Path:
        """Return where lies what the second opinion on events needs."""
        return self.root / "verification"

    @property
    def verification_frames(self) -> Path:
        """Return where frames of events are kept for a second opinion, ``CAMERA/ID.safetensors``."""
        return self.verification / "frames"

    @property
    def calls(self) -> Path:
        """Return where the calls to each verifier are counted, ``SERVER.json``."""
        return self.verification / "calls"

    @property
    def sessions(self) -> Path:
        """Return the file with the sessions of browsers, by digest."""
        return self.root / "sessions.json"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the sub-folders of every state folder; ``privacy`` is made where it is first needed."""
        return (self.event_log, self.budgets, self.evidence, self.redis, self.alerts, self.index, self.feedback)
