"""``watchword.search``: moments of what a daemon recorded."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import structlog

from daemon.captions.store import CaptionStore
from daemon.checking.descriptions import DescriptionJudge
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.engine import SearchEngine, SearchModels
from daemon.search.evidence import EvidenceFinder
from daemon.search.notes import notes
from daemon.search.request import SearchRequest, image_content
from daemon.search.results import Moment
from daemon.service.state_folder import require_known
from watchword.logs import route_logs
from watchword.models import leased
from watchword.settings import AnyPath, ModelChoice
from workers.index.reader import IndexReader
from workers.publish.log.view import LogView
from workers.state_layout import StateLayout

log = structlog.get_logger()


def search(
    text: str = "",
    *,
    config: AnyPath = "config.yaml",
    camera: str | Sequence[str] = (),
    since: datetime | float | None = None,
    until: datetime | float | None = None,
    classes: Sequence[str] = (),
    words: str = "",
    image: AnyPath | None = None,
    like: str | None = None,
    spoken: bool = False,
    limit: int = 20,
) -> list[Moment]:
    """Return moments of what cameras and uploads recorded, the best first.

    ``config``: the daemon's configuration, whose index is searched with its models. Give ``text``, a description, which
    is what is said if ``spoken``; or ``image``, a picture file; or ``like``, the id of an event; or none of them, but
    ``classes`` or ``words``. ``camera``: only these. ``since`` and ``until``: a time, or Unix seconds. ``classes``:
    names of detected objects, any of which is near; ``words``: all are said near by.

    Raise ``SearchError`` for what cannot be searched for, ``ConfigError`` and ``ModelUnavailable``. What will not be
    found as it is described, and what could not be searched, is logged as a warning.
    """
    route_logs()
    request = SearchRequest(
        text=text,
        image=None if image is None else image_content(Path(image)),
        like=like,
        spoken=spoken,
        cameras=frozenset([camera] if isinstance(camera, str) else camera) or None,
        since=_seconds(since),
        until=_seconds(until),
        classes=tuple(classes),
        words=words,
        limit=limit,
    )
    loaded, settings = ModelChoice(config).load()
    assert loaded is not None  # it was named
    require_known(loaded.state_dir)
    layout = StateLayout(loaded.state_dir)
    evidence = EvidenceFinder(LogView(layout.event_log), loaded.evidence_folder(), UploadRecords(layout.uploads))
    with leased(settings) as models:
        shared = models.shared
        asked = SearchModels(shared.encoder, shared.network, DescriptionJudge(loaded))
        found = _engine(loaded.state_dir.absolute()).search(request, asked, evidence)
    for note in notes(replace(found, read_as=())):
        log.warning(note)
    return list(found.moments)


@lru_cache(4)
def _engine(state: Path) -> SearchEngine:
    """Return the search of a state folder, which keeps the index mapped for the next call."""
    layout = StateLayout(state)
    return SearchEngine(IndexReader(layout.index), LogView(layout.event_log), CaptionStore(layout.captions))


def _seconds(time: datetime | float | None) -> float | None:
    return time.timestamp() if isinstance(time, datetime) else time
