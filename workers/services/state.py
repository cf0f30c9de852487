"""What streams keep in the state folder: pictures of events, budgets, the index, the record of what was forgotten.

One service for all streams, on the machine of the daemon. A stream that runs on another machine of a Ray cluster
sends what it wants kept, so that all state is in one folder.
"""

import shutil
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import structlog

from alignment.file_io import make_folder, replacing
from workers.events.erasures import Erasures
from workers.events.evidence import Pictures
from workers.events.folder import CLIP, EXPLANATION, SNAPSHOT, EvidenceFolder
from workers.index.recorder import IndexRecorder
from workers.index.types import IndexSnapshot, TapeBatch
from workers.services.evidence_upload import Uploader
from workers.services.settings import ServiceSettings
from workers.state_layout import StateLayout

SMALL_BYTES = 1 << 20  # files up to this are written as long as there is room at all
RESERVE_BYTES = 256 << 20  # of the disk are left free for events, which must not be lost for a clip
REMEMBERED = 10_000

log = structlog.get_logger()


class StateService:
    """Writes and reads the files of all streams; thread-safe. Of a folder or file that is None nothing is kept.

    Failures of the disk are logged here and never raised: an event is published without its pictures, and a camera
    runs without its budgets.
    """

    def __init__(
        self,
        pictures: Path | EvidenceFolder | None = None,
        budgets: Path | None = None,
        erasures: Path | None = None,
        index: Path | None = None,
        layout: StateLayout | None = None,
    ) -> None:
        self._pictures = EvidenceFolder(pictures) if isinstance(pictures, Path) else pictures
        self._budgets, self._erasures, self._layout = budgets, Erasures(erasures), layout
        self._index = IndexRecorder(index, self._erasures.reach) if index is not None else None
        remote = self._pictures is not None and self._pictures.remote is not None
        self._uploader = Uploader(self._pictures) if self._pictures is not None and remote else None
        self._sent: OrderedDict[str, None] = (
            OrderedDict()
        )  # with an uploader: what was written and may be gone from here
        # by camera: a stream that was given up may still be writing when its successor does
        self._writing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @classmethod
    def of(cls, settings: ServiceSettings) -> "StateService":
        """Return the service of a daemon's settings."""
        folders = settings.budget_folder, settings.erasures, settings.index_folder, settings.layout
        return cls(settings.evidence, *folders)

    def save_pictures(
        self, camera: str, name: str, snapshot: bytes | None, explanation: bytes | None, clip: bool = False
    ) -> Pictures:
        """Write an event's snapshot (JPEG) and explanation (PNG); None leaves the one that may be there already.

        Return the paths of those that are there, and with ``clip`` the one where the event's clip will be.
        """
        place = self._pictures
        if place is None:
            return Pictures(None, None)
        base = f"{camera}/{name}"
        with self._writing[camera]:
            shown = self._keep_picture(base + SNAPSHOT, snapshot)
            explained = self._keep_picture(base + EXPLANATION, explanation)
        return Pictures(shown, explained, place.location(base + CLIP) if clip else None)

    def keep_evidence(
        self, camera: str, name: str, event_id: str, content: bytes, shown: tuple[float, float] | None
    ) -> bool:
        """Write a file of an event that was made later, unless the event or that time was erased; return whether.

        ``shown``: what the file of a live event shows, Unix seconds.
        """
        place = self._pictures
        if place is None or self._erasures.forbids(camera, event_id, shown):
            return False
        if len(content) > SMALL_BYTES and _free_bytes(place.local) < len(content) + RESERVE_BYTES:
            log.warning("the disk is nearly full: a clip is not kept", camera=camera, folder=str(place.local))
            return False
        with self._writing[camera]:
            return self._write_evidence(f"{camera}/{name}", content)

    def _keep_picture(self, name: str, content: bytes | None) -> str | None:
        """Write a picture if it is given; return its location if it is there."""
        assert self._pictures is not None
        there = self._write_evidence(name, content) if content is not None else self._is_kept(name)
        return self._pictures.location(name) if there else None

    def _write_evidence(self, name: str, content: bytes) -> bool:
        assert self._pictures is not None
        written = _write(self._pictures.local / name, content, "evidence of an event")
        if written and self._uploader is not None:
            self._sent[name] = None
            while len(self._sent) > REMEMBERED:
                self._sent.popitem(last=False)
            self._uploader.wake()
        return written

    def _is_kept(self, name: str) -> bool:
        assert self._pictures is not None
        return name in self._sent or (self._pictures.local / name).exists()

    def load_budgets(self, camera: str) -> bytes | None:
        """Return the document that a camera saved last; None without one, and where it cannot be read."""
        if self._budgets is None:
            return None
        path = self._budgets / f"{camera}.json"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("false-alert budgets cannot be read, starting without", path=str(path), error=str(error))
            return None

    def save_budgets(self, camera: str, document: bytes) -> None:
        """Replace a camera's document."""
        if self._budgets is None:
            return
        with self._writing[camera]:
            _write(self._budgets / f"{camera}.json", document, "false-alert budgets of a camera")

    def record(self, batch: TapeBatch) -> "Future[bool]":
        """Give a part of a stream to the writer of the index; the Future says whether that had room for it."""
        taken: Future[bool] = Future()
        taken.set_result(self._index is not None and self._index.record(batch))
        return taken

    def snapshot(self) -> IndexSnapshot | None:
        """Return what was written to the index; None where there is none."""
        return self._index.snapshot() if self._index is not None else None

    def close(self, timeout_s: float) -> None:
        """Write what waits; wait so long at most."""
        if self._index is not None:
            self._index.close(timeout_s)

    def keep_samples(self, camera: str, event_id: str, content: bytes) -> None:
        """Write the features of an event that people may judge, in place of those of an earlier revision."""
        if self._layout is not None:
            path = self._layout.feedback_samples / camera / f"{event_id}.safetensors"
            with self._writing[camera]:
                _write(path, content, "features of an event, for feedback,")

    def keep_frames(self, camera: str, event_id: str, content: bytes) -> None:
        """Write frames of an event, in place of those of an earlier revision.

        The event waits for this, so nothing is synced: a loss of power may cost a verifier its pictures.
        """
        if self._layout is not None:
            path = self._layout.verification_frames / camera / f"{event_id}.safetensors"
            with self._writing[camera]:
                _write(path, content, "frames of an event, for a second opinion,", sync=False)

    def load_head(self, event: str) -> bytes | None:
        """Return the head in force of an event; None without one, and where it cannot be read."""
        if self._layout is None:
            return None
        path = self._layout.heads / f"{event}.safetensors"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("what was learned from clicks cannot be read", path=str(path), error=str(error))
            return None

    def forbids(self, camera: str, event_id: str, live_span: tuple[float, float] | None) -> bool:
        """Return whether an event was erased or lies in an erased interval; ``live_span``: Unix s, None for a file."""
        return self._erasures.forbids(camera, event_id, live_span)

    def erased(self, camera: str, spans: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
        """Return of each span of a live camera, Unix seconds, whether an erased interval overlaps it."""
        return tuple(self._erasures.reach(camera, *span) for span in spans)


def _write(path: Path, content: bytes, what: str, sync: bool = True) -> bool:
    """Replace a file; return whether that worked, else log why."""
    try:
        make_folder(path.parent, 0o700)
        with replacing(path, private=True, sync=sync) as part:
            part.write_bytes(content)
    except OSError as error:
        log.warning(f"{what} cannot be kept", path=str(path), error=str(error))
        return False
    return True


def _free_bytes(folder: Path) -> int:
    """Return the free bytes of a folder's disk; of one that cannot be asked, enough: writing will show."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 1 << 60
