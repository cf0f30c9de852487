"""What the services of a daemon are built from; frozen and picklable, so that it can cross to an actor."""

from dataclasses import dataclass, field
from pathlib import Path

from workers.encoders.options import EncoderOptions
from workers.publish.redis_settings import RedisSettings
from workers.speech import SpeechOptions


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything but the cameras and events. ``speech`` None: nothing is transcribed."""

    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    speech: SpeechOptions | None = field(default_factory=SpeechOptions)
    aligner: str = "similarity"
    config_hash: str = ""
    redis: RedisSettings | None = None
    state_dir: Path | None = None  # spool and evidence; None: neither

    @property
    def spool_folder(self) -> Path | None:
        """Return where events wait for Redis."""
        return self.state_dir / "spool" if self.state_dir else None

    @property
    def evidence_folder(self) -> Path | None:
        """Return where pictures of events go."""
        return self.state_dir / "evidence" if self.state_dir else None
