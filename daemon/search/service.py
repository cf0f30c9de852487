"""The search of a running daemon, with the models that its streams share."""

from collections.abc import Callable, Collection
from pathlib import Path

from daemon.captions.store import CaptionStore
from daemon.config import Config
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.engine import SearchBusy, SearchEngine, SearchModels
from daemon.search.evidence import EvidenceFinder, upload_path
from daemon.search.request import SearchRequest
from daemon.search.results import Found
from workers.index.reader import IndexReader
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout


class SearchService:
    """Searches the index of one state folder. From any thread.

    ``config``: as it is in force; ``models``: those of the daemon's streams, None until they are loaded.
    """

    def __init__(
        self, layout: StateLayout, config: Callable[[], Config], models: Callable[[], SearchModels | None]
    ) -> None:
        self._log, self._uploads = LogView(layout.event_log), UploadRecords(layout.uploads)
        self._engine = SearchEngine(IndexReader(layout.index), self._log, CaptionStore(layout.captions))
        self._config, self._models = config, models

    def find(self, request: SearchRequest, visible: Collection[str] | None = None) -> Found:
        """Return the best moments; ``visible``: the cameras that may be known of, None: all.

        Raise ``SearchError``, ``SourceInvalid`` for an image that is none, and what the models raise.
        """
        models = self._models()
        if models is None:
            raise SearchBusy("the models are being loaded")
        evidence = EvidenceFinder(self._log, self._config().evidence_folder(), self._uploads)
        return self._engine.search(request, models, evidence, visible)

    def thumbnail(self, camera: str, key: str, t: float) -> bytes | None:
        """Return the thumbnail of a moment as JPEG; None if there is none, or none any more."""
        return self._engine.thumbnail(camera, key, t)

    def upload_of(self, camera: str, key: str) -> Path | None:
        """Return where the uploaded file with this key lies; None if there is none, or none any more."""
        tape = self._engine.tape_of(camera, key)
        return upload_path(tape, self._uploads) if tape else None
