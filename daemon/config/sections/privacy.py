"""Privacy: hidden faces and retention times."""

from pydantic import Field

from daemon.config.base import Section
from daemon.config.units import Keep, Size


class PrivacyConfig(Section):
    """What is hidden in frames."""

    blur_faces: bool = Field(
        default=False,
        description="Hide faces before a frame is stored or analysed: in uploads, and on cameras that do not set it.",
    )


class RetentionConfig(Section):
    """Retention time of each kind of data; ``forever``: it is never removed."""

    evidence: Keep = Field(
        default=14 * 86_400.0,
        description="Snapshots, explanation images and clips of events.",
        json_schema_extra={"default": "14d"},
    )
    evidence_size: Size = Field(
        default=10 * 10**9,
        description="Total size of all evidence; the oldest files are removed first.",
        json_schema_extra={"default": "10GB"},
    )
    index: Keep = Field(
        default=30 * 86_400.0,
        description="What was seen and heard, as features and words, for searching and for trying events.",
        json_schema_extra={"default": "30d"},
    )
    index_size: Size = Field(
        default=20 * 10**9,
        description="Total size of the index; the oldest is removed first.",
        json_schema_extra={"default": "20GB"},
    )
    events: Keep = Field(
        default=90 * 86_400.0,
        description="Events with their transcripts, in Redis and in the event log.",
        json_schema_extra={"default": "90d"},
    )
    alerts: Keep = Field(
        default=30 * 86_400.0,
        description="Alerts that were delivered, suppressed or given up, with their events.",
        json_schema_extra={"default": "30d"},
    )
    budgets: Keep = Field(
        default=365 * 86_400.0,
        description="Learned false-alert rates of a camera, counted from the last update.",
        json_schema_extra={"default": "365d"},
    )
    samples: Keep = Field(
        default=30 * 86_400.0,
        description="Features of events by which they can be judged.",
        json_schema_extra={"default": "30d"},
    )
    frames: Keep = Field(
        default=86_400.0,
        description="Small pictures of events that a verifier may see, on cameras that have one.",
        json_schema_extra={"default": "1d"},
    )
    feedback: Keep = Field(
        default=365 * 86_400.0,
        description="What people said of events, and the heads that were made of it.",
        json_schema_extra={"default": "365d"},
    )
    uploads: Keep = Field(
        default=None, description="Uploads in `uploads.done`.", json_schema_extra={"default": "forever"}
    )
