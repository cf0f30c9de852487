"""What is kept of clicks and of the heads that were made of them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from daemon.alerts.links import Verdict

WaitsFor = Literal["", "clicks", "not_better", "silences"]
WAITS_FOR: dict[WaitsFor, str] = {
    "": "",
    "clicks": "too few events are judged",
    "not_better": "it is not better on judged events",
    "silences": "it would silence nearly all events that nobody judged; choose it if that is meant",
}
"""Why a head stays in shadow."""


@dataclass(frozen=True, slots=True)
class Click:
    """What somebody said of one event; ``key``: by which description and models it was found (``feedback_key``).

    ``samples``: its features (``alignment.personal.files``), ``body``: the event as JSON.
    """

    event_id: str
    camera: str
    event: str
    key: str
    verdict: Verdict
    at: float  # Unix seconds
    samples: bytes = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Version:
    """One head of an event. ``digest``: of the clicks that it was made of; ``report``: how it did in shadow."""

    event: str
    number: int
    key: str
    at: float  # Unix seconds
    digest: str
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which version of an event's head is in force, 0: none; ``held``: somebody chose it, so a better one must wait."""

    version: int = 0
    held: bool = False
