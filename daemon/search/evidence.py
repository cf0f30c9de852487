"""What shows a moment: the event that overlaps it most, the uploaded file, or a thumbnail in the index."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.config.sections.cameras import UPLOADS
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.aligning import Candidate
from workers.events.event import Event
from workers.events.folder import EvidenceFolder
from workers.index.thumbnails import thumbnail_of
from workers.index.types import TapeInfo
from workers.publish.log.view import LogView

LATER_S = 600.0  # after a moment of a live stream, by when its event is in the log
LONGEST_S = 86_400.0  # in which a file is watched


@dataclass(frozen=True, slots=True)
class Shown:
    """By what a moment is shown: an event with a snapshot or a clip, the file of an upload, or a thumbnail's time."""

    event: Event | None = None
    picture: bool = False
    plays: bool = False
    upload: bool = False
    thumbnail: float | None = None


class EvidenceFinder:
    """Finds what shows moments; keeps what it read of the event log for one search."""

    def __init__(self, log: LogView, folder: EvidenceFolder, uploads: UploadRecords) -> None:
        self._log, self._folder, self._uploads = log, folder, uploads
        self._of_file: dict[str, list[Event]] = {}

    def shown(self, moment: Candidate) -> Shown:
        """Return what shows a moment."""
        tape = moment.proposal.shard.info.tape
        event = most_overlapping(self._events(tape, moment), moment.start, moment.end)
        upload = upload_path(tape, self._uploads) is not None
        by = Shown(plays=upload, upload=upload) if event is None else self._by(event, upload)
        if by.picture or upload:
            return by
        return replace(by, thumbnail=thumbnail_of(moment.proposal.shard, moment.start, moment.end, moment.peak))

    def of_event(self, event_id: str | None, tape: TapeInfo | None) -> Shown:
        """Return what shows a moment by its event, or of an upload by its file; None: there is none."""
        upload = tape is not None and upload_path(tape, self._uploads) is not None
        records = self._log.revisions(event_id) if event_id else []
        if not records:
            return Shown(plays=upload, upload=upload)
        return self._by(records[-1].event, upload)

    def _by(self, event: Event, upload: bool) -> Shown:
        plays = upload or self._folder.may_hold(event.evidence.clip)
        return Shown(event, self._folder.may_hold(event.evidence.snapshot), plays, upload)

    def _events(self, tape: TapeInfo, moment: Candidate) -> Sequence[Event]:
        if tape.live:
            return self._last(tape, moment.start - LATER_S, moment.end + LATER_S)
        if tape.key not in self._of_file:
            self._of_file[tape.key] = self._last(tape, tape.recorded, tape.recorded + LONGEST_S)
        return self._of_file[tape.key]

    def _last(self, tape: TapeInfo, since: float, until: float) -> list[Event]:
        records = self._log.of_source(tape.camera, tape.key, since, until)
        return [*{record.event.id: record.event for record in records}.values()]


def upload_path(tape: TapeInfo, uploads: UploadRecords) -> Path | None:
    """Return where an upload lies now, by when it was watched, as one is at a time.

    None for what is no upload, and for one that is gone.
    """
    if tape.camera != UPLOADS or tape.file is None:
        return None
    for record in uploads.all():
        if record.since <= tape.recorded <= (record.until or tape.recorded) and Path(record.file).is_file():
            return Path(record.file)
    return None


def most_overlapping(events: Iterable[Event], start: float, end: float) -> Event | None:
    """Return the event that shares the most time with a stretch of stream time; None if none does."""
    shared = [(min(event.end, end) - max(event.start, start), event) for event in events]
    most, event = max(shared, key=lambda pair: pair[0], default=(0.0, None))
    return event if most > 0 else None
