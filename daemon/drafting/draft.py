"""What `watchword init` writes into a configuration, before it is text."""

from dataclasses import dataclass

from alignment.types import Modality
from workers.types import Polygon

BUDGET = "1/day"  # false alerts of each event, unless another number is asked for


@dataclass(frozen=True, slots=True)
class CameraDraft:
    """One camera. ``events`` None: all of them; ``comments`` stand above its URL, and why it did not open (``doubt``).

    ``zones`` are areas of its frame; ``in_zones`` names the events that are looked for in them only.
    """

    name: str
    url: str
    events: tuple[str, ...] | None = None
    comments: tuple[str, ...] = ()
    zones: tuple[tuple[str, Polygon], ...] = ()
    in_zones: tuple[str, ...] = ()
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class EventDraft:
    """One event. ``modalities`` empty: chosen from the wording."""

    name: str
    describe: str
    modalities: tuple[Modality, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration. ``max_false_alerts`` None: the profile's fixed thresholds decide."""

    cameras: tuple[CameraDraft, ...]
    events: tuple[EventDraft, ...]
    redis: str = "embedded"
    max_false_alerts: str | None = BUDGET
    notes: tuple[str, ...] = ()  # what of another program's configuration could not be taken over, and why
