"""What is hidden, and how long what is kept is kept."""

from pydantic import Field

from daemon.config.base import Section
from daemon.config.units import Keep, Size


class PrivacyConfig(Section):
    """What is hidden."""

    blur_faces: bool = Field(
        default=False,
        description="Whether to hide faces before anything is kept or sent, on cameras that do not say otherwise "
        "and in uploads.",
    )


class RetentionConfig(Section):
    """How long each kind of data is kept; ``forever`` keeps it."""

    evidence: Keep = Field(
        default=14 * 86_400.0, description="Pictures of events.", json_schema_extra={"default": "14d"}
    )
    evidence_size: Size = Field(
        default=2 * 10**9,
        description="How much all pictures of events may take; the oldest go first.",
        json_schema_extra={"default": "2GB"},
    )
    events: Keep = Field(
        default=90 * 86_400.0,
        description="Events, with the words that were heard: in Redis, and what waits for it.",
        json_schema_extra={"default": "90d"},
    )
    budgets: Keep = Field(
        default=365 * 86_400.0,
        description="What a camera has learned about its false alerts, since it last learned.",
        json_schema_extra={"default": "365d"},
    )
    uploads: Keep = Field(
        default=None, description="Uploads in `uploads.done`.", json_schema_extra={"default": "forever"}
    )
