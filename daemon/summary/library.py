"""Summaries on request, for the HTTP API: read from the event log and the index, one at a time."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from alignment.summary.chapters import Chapter
from alignment.summary.tags import Panel
from daemon.captions.files import FileMaterial, Scene, in_words
from daemon.captions.types import upload_owner
from daemon.config.sections.cameras import UPLOADS
from daemon.privacy.stores.uploads import WatchedUpload
from daemon.summary.day import MOST, Span, summarise_day
from daemon.summary.features import FileFeatures, from_shards
from daemon.summary.files import MOST as MOST_HIGHLIGHTS
from daemon.summary.files import summarise_file
from daemon.summary.types import DaySummary, FileSummary
from workers.events.event import Event
from workers.index.reader import IndexReader
from workers.index.types import TapeInfo
from workers.publish.log.view import LogView
from workers.types import Utterance


class Library:
    """Sums up days and uploads. From any thread. ``panel`` returns the names that the model knows."""

    def __init__(self, log: LogView, index: Path, panel: Callable[[], Panel]) -> None:
        self._log, self._index, self._panel = log, IndexReader(index), panel
        self._lock = threading.Lock()  # a reader of the index is for one thread, and this is work

    def day(self, span: Span, most: int = MOST) -> DaySummary:
        """Return the summary of live cameras; raise ``EventLogError`` if the event log cannot be read."""
        with self._lock:
            return summarise_day(self._log, self._index, span, most)

    def upload(self, name: str, record: WatchedUpload, events: Sequence[Event], duration: float) -> FileSummary | None:
        """Return the summary of an upload in which ``events`` were found; None where there is no index of it."""
        with self._lock:
            found = self._watched(record, duration)
            if found is None:
                return None
            _, length, features = found
            return summarise_file(name, length, features, events, self._panel(), MOST_HIGHLIGHTS)

    def material(self, record: WatchedUpload) -> FileMaterial | None:
        """Return what can be written about an upload; None where there is no index of it."""
        until = record.until or record.since
        ids = {one.event.id for one in self._log.accepted(UPLOADS, record.since, until + 1)}
        events = [self._log.revisions(event_id)[-1].event for event_id in ids]  # as they were amended later
        declared = next((e.source.duration for e in events if e.source and e.source.duration), 0.0)
        with self._lock:
            found = self._watched(record, declared)
            if found is None:
                return None
            tape, length, features = found
            name = tape.file.file if tape.file else record.file
            summary = summarise_file(name, length, features, events, self._panel(), MOST_HIGHLIGHTS)
        cut = [(one.chapter, one.title) for one in summary.chapters] or [(Chapter(0.0, length, length / 2), "")]
        return FileMaterial(
            upload_owner(record.since),
            UPLOADS,
            tape.key,
            name,
            Path(record.file),
            length,
            record.since,
            until,
            tuple(Scene(c.start, c.end, c.typical, title, _said(c, features.said)) for c, title in cut),
            tuple(in_words(event) for event in sorted(events, key=lambda e: e.start)),
        )

    def _watched(self, record: WatchedUpload, duration: float) -> tuple[TapeInfo, float, FileFeatures] | None:
        """Return what the index has of an upload, and its length; ``duration`` 0: not known."""
        near = list(self._index.shards([UPLOADS], record.since, record.until))  # the next upload's may touch these
        if not near:
            return None
        own = min((shard.info.tape for shard in near), key=lambda tape: abs(tape.recorded - record.since))
        shards = [shard for shard in near if shard.info.tape.recorded == own.recorded]
        return own, duration or max(shard.end for shard in shards), from_shards(shards)


def _said(chapter: Chapter, said: Sequence[Utterance]) -> tuple[Utterance, ...]:
    return tuple(u for u in said if chapter.start <= (u.start_s + u.end_s) / 2 < chapter.end)
