"""What is asked of a vision-language model, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

from workers.telemetry import HistogramSnapshot

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG, and our own words on what it is, such as "frame 2 of 5, 3.0 s after the beginning"."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A question whose answer is a ``T``: a pydantic model without defaults that forbids extra keys.

    ``instructions`` are ours alone. All text of others (descriptions, names, transcripts) belongs into ``data``: it is
    sent as data, never as instructions. ``max_tokens`` bounds the answer.
    """

    instructions: str
    data: dict[str, JsonValue]
    pictures: tuple[Picture, ...]
    answer: type[T]
    max_tokens: int = 400


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer, the configured model, the seconds that it took with all waiting, and the tokens that it cost."""

    answer: T
    model: str
    latency_s: float
    tokens: int


@dataclass(frozen=True, slots=True)
class VlmSnapshot:
    """What one client did since the start. ``server`` is its URL without secrets; ``failures`` are counts by code.

    ``tokens`` and ``latency`` (seconds) are those of answered questions; ``calls_today`` and ``tokens_today`` are the
    server's, with all that failed; ``calls_left`` is what is left of today's calls.
    """

    server: str
    model: str
    asked: int
    answered: int
    failures: Mapping[str, int]
    tokens: int
    latency: HistogramSnapshot
    calls_today: int
    tokens_today: int
    calls_left: int
