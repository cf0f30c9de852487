"""Where the video of a moment lies: in the clip of an event for live cameras, else in the file itself."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj

from daemon.summary.types import DaySummary, Moment
from workers.events.event import Event
from workers.events.folder import UNUSUAL, EvidenceFolder
from workers.events.timestamps import iso
from workers.sources.clips.joining import Part
from workers.time_note import NOTE_BYTES, read_note

AROUND_S = 60.0  # a clip shows at most so much before and after its event
NEAR_S = 10.0  # a picture without an event may be so far from a moment
_NUMBER = re.compile(r"(\d{1,15})\.jpg$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Footage:
    """The clip of ``event`` shows a moment from second ``at`` on, for ``seconds``."""

    moment: Moment
    event: Event
    path: Path
    at: float
    seconds: float

    @property
    def part(self) -> Part:
        """Return what is to be shown of the clip."""
        return Part(str(self.path), self.at, self.at + self.seconds)


def footage_of(summary: DaySummary, evidence: EvidenceFolder, fetch_to: Path | None = None) -> tuple[Footage, ...]:
    """Return the footage of all moments that a clip shows, in their order.

    ``fetch_to``: a folder for clips that lie on another machine; None: these do not count.
    """
    found = (_of_moment(moment, summary.events, evidence, fetch_to) for moment in summary.moments)
    return tuple(one for one in found if one is not None)


def _of_moment(
    moment: Moment, events: Sequence[Event], evidence: EvidenceFolder, fetch_to: Path | None
) -> Footage | None:
    for event in _candidates(moment, events):
        path = _local(event, evidence, fetch_to)
        if path is None:
            continue
        with path.open("rb") as file:
            note = read_note(file.read(NOTE_BYTES))
        if note is not None and note[0] <= moment.best <= note[1]:
            first, last = max(moment.start, note[0]), min(moment.end, note[1])
            return Footage(moment, event, path, first - note[0], last - first)
    return None


def unusual_picture(moment: Moment, evidence: EvidenceFolder) -> float | None:
    """Return the Unix time of the picture that is kept of a moment without an event; None: there is none here."""
    if moment.events or not moment.live:
        return None
    days = {iso(t)[:10] for t in (moment.start, moment.end)}
    found = [
        int(match[1]) / 1000
        for day in days
        for path in (evidence.local / moment.camera / day).glob(f"{UNUSUAL}*.jpg")
        if (match := _NUMBER.search(path.name))
    ]
    near = [t for t in found if moment.start - NEAR_S <= t <= moment.end + NEAR_S]
    return min(near, key=lambda t: abs(t - moment.best), default=None)


def unusual_location(camera: str, unix: float, evidence: EvidenceFolder) -> str:
    """Return where the picture of a camera at a Unix time lies, if there is one."""
    return evidence.location(f"{camera}/{iso(unix)[:10]}/{UNUSUAL}{round(unix * 1000)}.jpg")


def _candidates(moment: Moment, events: Sequence[Event]) -> Iterator[Event]:
    """Yield events whose clip may show a moment: its own, then others of that camera and time."""
    yield from moment.events
    own = {event.id for event in moment.events}
    for event in events:
        near = event.start - AROUND_S <= moment.best <= event.end + AROUND_S
        if near and event.camera == moment.camera and event.id not in own:
            yield event


def _local(event: Event, evidence: EvidenceFolder, fetch_to: Path | None) -> Path | None:
    location = event.evidence.clip
    if location is None or "\0" in location:
        return None
    path = evidence.path_of(location)
    if path is not None or fetch_to is None:
        return path
    file = evidence.open(location)
    if file is None:
        return None
    target = fetch_to / f"{event.id}.mp4"
    with file, target.open("wb") as copy:
        copyfileobj(file, copy)
    return target
