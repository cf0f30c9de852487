"""What is hidden, and how long what is kept is kept."""

from pydantic import Field

from daemon.config.base import Section


class PrivacyConfig(Section):
    """What is hidden."""

    blur_faces: bool = Field(
        default=False,
        description="Whether to hide faces before anything is kept or sent, on cameras that do not say otherwise "
        "and in uploads.",
    )
