"""The index: what was seen and heard, for searching and for trying events."""

from pydantic import Field

from daemon.config.base import Section


class IndexConfig(Section):
    """The index of what was seen and heard: features, objects, sounds and words, without pictures."""

    enabled: bool = Field(
        default=True, description="Keep what was seen and heard, as features and words: up to 50 MB a day and camera."
    )
