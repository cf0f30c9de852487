"""What streams keep in the state folder: pictures of events, learned budgets, and the record of what was forgotten.

One service for all streams, on the machine of the daemon. A stream that runs on another machine of a Ray cluster
sends what it wants kept, so that all state is in one folder.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import structlog

from alignment.file_io import make_folder, replacing
from workers.events.erasures import Erasures
from workers.events.evidence import EXPLANATION, SNAPSHOT, Pictures
from workers.services.settings import ServiceSettings

log = structlog.get_logger()


class StateService:
    """Writes and reads the files of all streams; thread-safe. Of a folder or file that is None nothing is kept.

    Failures of the disk are logged here and never raised: an event is published without its pictures, and a camera
    runs without its budgets.
    """

    def __init__(self, pictures: Path | None = None, budgets: Path | None = None, erasures: Path | None = None) -> None:
        self._pictures, self._budgets, self._erasures = pictures, budgets, Erasures(erasures)
        # by camera: a stream that was given up may still be writing when its successor does
        self._writing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @classmethod
    def of(cls, settings: ServiceSettings) -> "StateService":
        """Return the service of a daemon's settings."""
        return cls(settings.evidence_folder, settings.budget_folder, settings.erasures)

    def save_pictures(self, camera: str, name: str, snapshot: bytes | None, explanation: bytes | None) -> Pictures:
        """Write an event's snapshot (JPEG) and explanation (PNG); None leaves the one that may be there already.

        Return the paths of those that are there.
        """
        if self._pictures is None:
            return Pictures(None, None)
        folder = self._pictures / camera
        shown, explained = folder / f"{name}{SNAPSHOT}", folder / f"{name}{EXPLANATION}"
        with self._writing[camera]:
            kept = shown.exists() if snapshot is None else _write(shown, snapshot, "picture of an event")
            drawn = explained.exists() if explanation is None else _write(explained, explanation, "picture of an event")
        return Pictures(str(shown) if kept else None, str(explained) if drawn else None)

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

    def forbids(self, camera: str, event_id: str, live_span: tuple[float, float] | None) -> bool:
        """Return whether an event was erased or lies in an erased interval; ``live_span``: Unix s, None for a file."""
        return self._erasures.forbids(camera, event_id, live_span)

    def erased(self, camera: str, spans: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
        """Return of each span of a live camera, Unix seconds, whether an erased interval overlaps it."""
        return tuple(self._erasures.reach(camera, *span) for span in spans)


def _write(path: Path, content: bytes, what: str) -> bool:
    """Replace a file; return whether that worked, else log why."""
    try:
        make_folder(path.parent, 0o700)
        with replacing(path, private=True) as part:
            part.write_bytes(content)
    except OSError as error:
        log.warning(f"{what} cannot be kept", path=str(path), error=str(error))
        return False
    return True
