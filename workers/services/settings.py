"""Settings of the services of a daemon; frozen and picklable, for actors."""

from dataclasses import dataclass, field
from pathlib import Path

from workers.audio.whisper import SpeechOptions
from workers.events.folder import EvidenceFolder
from workers.models.options import EncoderOptions
from workers.publish.redis.client import RedisSettings
from workers.redaction import RedactedUrl
from workers.services.aligner_options import AlignerOptions
from workers.state_layout import StateLayout
from workers.types import ClipOptions, MediaLimits


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """All settings except cameras and events. ``speech`` None: nothing is transcribed."""

    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    speech: SpeechOptions | None = field(default_factory=SpeechOptions)
    aligner: AlignerOptions = field(default_factory=AlignerOptions)
    limits: MediaLimits = field(default_factory=MediaLimits)
    config_hash: str = ""
    redis: RedisSettings | None = None
    state_dir: Path | None = None  # event log, evidence, budgets; None: none of them
    sample: Path | None = None  # a known video, on which the space of a model is measured when it is first used
    pictures: Path | None = None  # of events, instead of the evidence in ``state_dir``
    remote_evidence: RedactedUrl | None = None  # where evidence is moved from there
    clips: ClipOptions = field(default_factory=ClipOptions)
    index: bool = True  # in ``state_dir``

    @property
    def event_log_folder(self) -> Path | None:
        """Return where events wait for Redis."""
        return StateLayout(self.state_dir).event_log if self.state_dir else None

    @property
    def evidence_folder(self) -> Path | None:
        """Return where pictures of events go."""
        return self.pictures or (StateLayout(self.state_dir).evidence if self.state_dir else None)

    @property
    def evidence(self) -> EvidenceFolder | None:
        """Return where evidence goes; None: none is kept."""
        folder = self.evidence_folder
        return EvidenceFolder(folder, self.remote_evidence) if folder else None

    @property
    def index_folder(self) -> Path | None:
        """Return where is kept what streams saw and heard; None: nowhere."""
        return StateLayout(self.state_dir).index if self.state_dir and self.index else None

    @property
    def budget_folder(self) -> Path | None:
        """Return where cameras keep what they learned about their false alerts."""
        return StateLayout(self.state_dir).budgets if self.state_dir else None

    @property
    def layout(self) -> StateLayout | None:
        """Return where features and frames of events are kept, and heads are read; None: nowhere."""
        return StateLayout(self.state_dir) if self.state_dir else None

    @property
    def erasures(self) -> Path | None:
        """Return the file of what was forgotten."""
        return StateLayout(self.state_dir).erasures if self.state_dir else None
