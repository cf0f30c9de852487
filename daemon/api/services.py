"""What the routes of the API work with; built by the daemon, and found by the routes as ``Api``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from daemon.alerts.store.history import AlertStore
from daemon.api.frames import FrameCache
from daemon.api.tail import EventTail
from daemon.api.transcoding import Transcoder
from daemon.backtest.jobs import BacktestJobs
from daemon.backtest.run import BacktestModels
from daemon.captions.store import CaptionStore
from daemon.config import Config
from daemon.config.changes import Changes
from daemon.config.editing.store import ConfigStore
from daemon.feedback.judge import Judge
from daemon.http.access import Access
from daemon.observability.snapshot import DaemonSnapshot
from daemon.privacy.stores.uploads import UploadRecords
from daemon.search.service import SearchService
from daemon.summary.kept_videos import VideoShelf
from daemon.summary.library import Library
from daemon.vlm.factory import VlmClients
from workers.events.folder import EvidenceFolder
from workers.publish.log.view import LogView


@dataclass(frozen=True, slots=True)
class ApiServices:
    """The parts of the daemon that the API shows or changes. Functions may be called from any thread."""

    config: Callable[[], Config]  # as it is in force now
    snapshot: Callable[[], DaemonSnapshot]
    access: Access
    log: LogView
    tail: EventTail
    frames: FrameCache
    uploads: UploadRecords
    alerts: AlertStore
    feedback: Judge
    alerts_folder: Path  # where the key of links in messages lies
    store: ConfigStore | None  # the configuration file; None: the daemon was started without one
    take_over: Callable[[], Changes]  # asks the daemon to use what the file says now; returns what that changes
    evidence: EvidenceFolder  # nothing outside it is ever served
    library: Library
    search: SearchService
    captions: CaptionStore
    vlm: Callable[[], VlmClients] = lambda: VlmClients(None, {})
    videos: VideoShelf = field(default_factory=VideoShelf)
    transcoder: Transcoder = field(default_factory=Transcoder)
    backtests: BacktestJobs = field(default_factory=BacktestJobs)
    backtest_models: Callable[[], BacktestModels | None] = lambda: None  # None: they are being loaded


async def _services(request: Request) -> ApiServices:
    services: ApiServices = request.app.state.api
    return services


Api = Annotated[ApiServices, Depends(_services)]
