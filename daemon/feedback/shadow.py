"""The shadow of a head: what would be left of the latest events if it had been in force."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alignment.errors import FeatureError
from alignment.personal.files import unpack_samples
from alignment.personal.fitting import Judged
from alignment.personal.head import Head
from alignment.personal.judging import reported
from alignment.personal.samples import logit_of
from daemon.feedback.types import Click

DAYS = 7.0
MOST_EVENTS = 1000  # the latest ones are looked at
SHOWN = 12  # of those that would be gone
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Recent:
    """Events of ``days``, how many of them are left with a head, and the same of those that nobody judged.

    ``gone``: ids of some that are not left, the newest first.
    """

    days: float
    events: int
    kept: int
    unjudged: int
    unjudged_kept: int
    gone: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return this as a document."""
        return asdict(self)


def replay(folder: Path, click: Click, judged: Collection[str], head: Head, now: float) -> Recent:
    """Return what a head makes of the events of the last ``DAYS`` whose features lie in ``folder``.

    They are those of the event of ``click``, by its description and models, on all cameras; ``judged``: ids.
    """
    events = kept = unjudged = unjudged_kept = 0
    gone: list[str] = []
    for event_id, one in _recent(folder, click, now - DAYS * 86_400):
        stays = reported(one.samples, one.threshold, head)
        events, kept = events + 1, kept + stays
        if event_id not in judged:
            unjudged, unjudged_kept = unjudged + 1, unjudged_kept + stays
        if not stays and len(gone) < SHOWN:
            gone.append(event_id)
    return Recent(DAYS, events, kept, unjudged, unjudged_kept, tuple(gone))


def _recent(folder: Path, click: Click, since: float) -> Iterator[tuple[str, Judged]]:
    """Yield ids and features of the latest events, the newest first."""
    files = ((path.stat().st_mtime, path) for path in folder.glob("*/*.safetensors"))
    for _, path in sorted(((at, path) for at, path in files if at >= since), reverse=True)[:MOST_EVENTS]:
        try:
            one, about = read_samples(path.read_bytes(), right=True)
        except (OSError, FeatureError):  # removed meanwhile, or damaged
            continue
        if about.get("event") == click.event and about.get("key") == click.key:
            yield path.stem, one


def read_samples(content: bytes, right: bool) -> tuple[Judged, dict[str, object]]:
    """Return the features of an event as a head learns from them, and what is known of it; raise ``FeatureError``."""
    samples, about = unpack_samples(content)
    threshold = about.get("threshold")
    return Judged(samples, right, logit_of(threshold if isinstance(threshold, float) else DEFAULT_THRESHOLD)), about
