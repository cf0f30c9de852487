"""Summaries on request, for the HTTP API: read from the event log and the index, one at a time."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from alignment.summary.tags import Panel
from daemon.config.sections.cameras import UPLOADS
from daemon.privacy.upload_data import WatchedUpload
from daemon.summary.day import MOST, Span, summarise_day
from daemon.summary.features import from_shards
from daemon.summary.files import MOST as MOST_HIGHLIGHTS
from daemon.summary.files import summarise_file
from daemon.summary.types import DaySummary, FileSummary
from workers.events.event import Event
from workers.index.reader import IndexReader
from workers.publish.log.view import LogView


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
            near = list(self._index.shards([UPLOADS], record.since, record.until))  # the next upload's may touch these
            if not near:
                return None
            own = min((shard.info.tape for shard in near), key=lambda tape: abs(tape.recorded - record.since))
            shards = [shard for shard in near if shard.info.tape.recorded == own.recorded]
            length = duration or max(shard.end for shard in shards)
            return summarise_file(name, length, from_shards(shards), events, self._panel(), MOST_HIGHLIGHTS)
