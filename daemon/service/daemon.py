"""The life cycle of the daemon: start, run, drain.

The drain ends within ten seconds of the first signal to stop (a second one exits immediately). Steps, each with a
deadline:

1. streams: sources stop, pending requests finish, open spans are closed and handed to the publisher; rules over
   time read them, and end what they found. Events without a verdict get one after the next start
2. publisher: waiting events go to Redis; the rest stays in the event log on disk for the next start
3. alerts: what is in the event log is decided, deliveries in hand finish; the rest waits on disk for the next start
4. the HTTP port, the runtime, the embedded server
"""

import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from alignment.summary.tags import NO_NAMES, Panel
from daemon.alerts.store.history import AlertStore
from daemon.api import ApiServices, add_api, body_bytes, is_open_route
from daemon.api.frames import FrameCache
from daemon.api.tail import EventTail
from daemon.backtest.deciding.memory import LooksMemory
from daemon.backtest.run import BacktestModels
from daemon.captions.store import CaptionStore
from daemon.checking.descriptions import DescriptionJudge
from daemon.config import Config, config_hash
from daemon.config.changes import Changes
from daemon.config.editing.store import ConfigStore
from daemon.config.over_time import camera_specs, rules_of_files
from daemon.config.sections.cameras import UPLOADS, UploadsConfig
from daemon.feedback.judge import Judge
from daemon.feedback.service import FeedbackService
from daemon.http import Access, HttpServer, TlsFiles, build_app
from daemon.http.sessions import Sessions
from daemon.observability.camera_state import CameraState
from daemon.privacy.retention import Janitor
from daemon.privacy.stores.old_streams import holds_events
from daemon.privacy.stores.store import Places, nothing_halted
from daemon.privacy.stores.uploads import UploadRecords
from daemon.runtime.factory import build_runtime
from daemon.search.engine import SearchModels
from daemon.search.service import SearchService
from daemon.service.first_look import unreadable_files
from daemon.service.observer import Observer
from daemon.service.readers import LogReaders
from daemon.service.reloading import Reloader
from daemon.service.settings import settings_of
from daemon.service.shutdown import StopRequest
from daemon.service.state_folder import StateFolder
from daemon.service.supervisor import Supervisor
from daemon.service.uploads import UploadFolder
from daemon.summary.library import Library
from daemon.vlm.disclosure import what_is_sent
from daemon.vlm.factory import VlmClients, clients_of
from daemon.web import is_page, page_router
from workers.errors import EventLogError
from workers.events.event import Event
from workers.publish.embedded.server import EmbeddedServer
from workers.publish.log.view import LogView
from workers.redaction import RedactedUrl
from workers.services.aligner_options import check_checkpoint
from workers.services.settings import ServiceSettings
from workers.sources.url import is_live
from workers.state_layout import StateLayout
from workers.stream.latest_frame import LatestFrame

STEP_S = 0.5
# Deadlines of the drain's steps, seconds after the signal; a step may use the time that earlier steps left.
STREAMS_UNTIL_S = 5.0
FLUSHED_UNTIL_S = 6.5
FLUSH_S = 3.0  # longest wait for Redis
STOPPED_UNTIL_S = 8.0
ONCE_FLUSH_S = 10.0
READERS_UNTIL_S = STREAMS_UNTIL_S + 1.0
JANITOR_STOP_S = FEEDBACK_STOP_S = 1.0
FRAME_S = 2.0  # longest wait for the latest frame of a camera

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run: events, failed cameras or uploads with the reason, and whether Redis has every event.

    ``left_alone``: what lies in the folder of uploads and was not processed, with the reason.
    """

    events: tuple[Event, ...]
    failed: dict[str, str]
    flushed: bool
    left_alone: dict[str, str]


class Daemon:
    """Everything that ``watchword run`` starts, in one object."""

    def __init__(self, config: Config, once: bool = False, file: Path | None = None) -> None:
        """``file``: where the configuration was read, for changes of it while the daemon runs."""
        self._config, self._once = config, once
        self._stop = StopRequest()
        self._embedded: EmbeddedServer | None = None
        self._observer = Observer()
        http = config.http
        tls = TlsFiles(http.tls.certificate, http.tls.key) if http.tls else None
        layout = StateLayout(config.state_dir)
        store = ConfigStore(file) if file else None
        self._reloader = Reloader(store, config, self._follow, self._stop.wake) if store and not once else None
        access = Access.of(http, Sessions(layout.sessions))
        self._supervisor: Supervisor | None = None
        self._looks = LooksMemory()
        self._names: Panel | None = None
        self._vlm = VlmClients(None, {})
        self._api = ApiServices(
            config=lambda: self._config,
            snapshot=self._observer.snapshot,
            access=access,
            log=LogView(layout.event_log),
            tail=EventTail(layout.event_log, self._observer.snapshot),
            frames=FrameCache(self._latest_frame),
            uploads=UploadRecords(layout.uploads),
            alerts=AlertStore(layout.alerts),
            feedback=Judge(layout),
            alerts_folder=layout.alerts,
            store=store,
            take_over=self._reloader.take_over if self._reloader else Changes,
            evidence=self._config.evidence_folder(),
            library=Library(LogView(layout.event_log), layout.index, self._panel),
            search=SearchService(layout, lambda: self._config, self._search_models),
            captions=CaptionStore(layout.captions),
            vlm=lambda: self._vlm,
            backtest_models=self._backtest_models,
        )
        app = build_app(
            self._observer.snapshot,
            access,
            [page_router()],
            lambda method, path: is_page(method, path) or is_open_route(method, path),
            lambda app: add_api(app, self._api),
            body_bytes(self._api),
        )
        self._http = HttpServer(app, http.host, http.port, tls, access.is_proxy)

    def run(self) -> Outcome:
        """Run until stopped, or with ``once`` until every input was watched once; return the outcome."""
        config = self._config
        self._stop.catch_hangup()
        check_checkpoint(config.models.aligner_options())
        with StateFolder(config.state_dir):
            return self._run()

    def _run(self) -> Outcome:
        """Run with the state folder locked."""
        config = self._config
        folders = config.uploads
        self._uploads = self._upload_folder(folders) if folders else None
        self._vlm = clients_of(config)
        self._http.start()
        log.info("listening", url=self._http.url)
        for sent in what_is_sent(config):
            log.info("a verifier may be sent frames and words", **sent.document)
        try:
            self._look_at_files()
            settings = self._settings()
            self._runtime = build_runtime(config.runtime, settings, config.ray.address)
            speech = settings.speech.model if settings.speech else None
            log.info("loading models", profile=config.models.profile, speech=speech, runtime=config.runtime)
            self._model = self._runtime.start().info
            try:
                return self._serve(settings)
            finally:
                self._runtime.stop(self._stop.left(STOPPED_UNTIL_S))
        finally:
            self._api.tail.close()
            self._api.backtests.close()
            self._http.stop()
            if self._embedded is not None:
                self._embedded.stop()

    def _panel(self) -> Panel:
        """Return the names that the model knows; none before it is loaded."""
        if self._supervisor is None:
            return NO_NAMES
        if self._names is None:
            self._names = self._runtime.panel()
        return self._names

    def _search_models(self) -> SearchModels | None:
        """Return what a search asks of the models; None until they are loaded. From any thread."""
        if self._supervisor is None:
            return None
        shared = self._runtime.shared
        return SearchModels(shared.encoder, shared.network, DescriptionJudge(self._config))

    def _latest_frame(self, camera: str) -> LatestFrame | None:
        """Return what a camera sees now. From any thread."""
        handle = self._supervisor.handle_of(camera) if self._supervisor else None
        return handle.latest_frame(FRAME_S) if handle else None

    def _backtest_models(self) -> BacktestModels | None:
        """Return what tries rules on the past; None while models are loaded. From any thread."""
        if self._supervisor is None:
            return None
        services = self._runtime.shared
        return BacktestModels(services.encoder, services.network, services.state, self._looks)

    def _look_at_files(self) -> None:
        """Log which files cannot be read; with ``once``, raise the first error if there is nothing else to read."""
        cameras = self._config.camera_specs()
        errors = list(unreadable_files(cameras))
        if self._once and errors and len(errors) == len(cameras) and not self._config.uploads:
            raise errors[0]

    def _serve(self, settings: ServiceSettings) -> Outcome:
        """Run with the services started."""
        self._janitor = self._clean(settings)
        self._readers = LogReaders(self._config, self._runtime, self._vlm, self._api, self._observer.snapshot)
        self._readers.start()
        self._feedback = FeedbackService(StateLayout(self._config.state_dir), self._stop.wake)
        self._feedback.start()
        try:
            self._stop.catch_signals()  # after ray.init, which sets its own
            log.info("models loaded", model=self._model.id, device=self._model.device)
            return self._watch()
        finally:
            self._feedback.stop(min(FEEDBACK_STOP_S, self._stop.left(STOPPED_UNTIL_S)))
            self._readers.stop(lambda: self._stop.left(STOPPED_UNTIL_S), ONCE_FLUSH_S if self._once else 0.0)
            self._janitor.stop(min(JANITOR_STOP_S, self._stop.left(STOPPED_UNTIL_S)))

    def _upload_folder(self, folders: UploadsConfig) -> UploadFolder:
        config = self._config
        records = UploadRecords(StateLayout(config.state_dir).uploads)
        blur_faces = config.privacy.blur_faces
        rules = rules_of_files(config, UPLOADS)
        return UploadFolder(
            folders.folder, folders.done, config.event_specs(), records, blur_faces, folders.sidecars, over_time=rules
        )

    def _clean(self, settings: ServiceSettings) -> Janitor:
        """Start the janitor, which applies retention and serves `watchword forget`."""
        layout = StateLayout(self._config.state_dir)
        halted = self._uploads.halted if self._uploads else nothing_halted
        evidence = (self._config.evidence_folder(),)
        embedded = self._embedded is not None
        places = Places(layout, settings.redis, embedded, self._runtime.erase, halted, evidence=evidence)
        if not places.embedded and holds_events(layout):
            folder = str(layout.redis_events)
            log.warning("events of the embedded server lie here as well, and are kept as long as others", folder=folder)
        janitor = Janitor(places, self._config.retention)
        janitor.start()
        return janitor

    def _watch(self) -> Outcome:
        """Supervise until the end, then drain."""
        supervisor, uploads = Supervisor(self._runtime, retry=not self._once), self._uploads
        self._supervisor = supervisor
        self._end_open()
        self._readers.rules.start()
        for camera in camera_specs(self._config):
            supervisor.watch(camera, self._config.event_specs(camera.name))
        while not self._stop.came:
            self._reload()
            self._take_heads(supervisor)
            supervisor.step()
            if uploads is not None:
                uploads.step(supervisor)
            self._observe(supervisor)
            if self._once and self._watched_once(supervisor) and (uploads is None or uploads.idle):
                break
            self._rest(supervisor)
        log.info("draining", step=1, of=3)
        supervisor.drain(self._stop.left(STREAMS_UNTIL_S))
        self._readers.drain(lambda: self._stop.left(READERS_UNTIL_S), self._once, lambda: self._stop.came)
        log.info("draining", step=2, of=3)
        flush_s = min(FLUSH_S, self._stop.left(FLUSHED_UNTIL_S)) if self._stop.came else ONCE_FLUSH_S
        flushed = self._runtime.flush(flush_s)
        self._observe(supervisor)
        if not flushed:
            log.warning("Redis did not take every event in time: the rest waits in the event log")
        log.info("draining", step=3, of=3)
        failed = {c.name: c.snapshot.error or "" for c in supervisor.cameras if c.state is CameraState.FAILED}
        events = self._runtime.take_events() if self._once else ()
        left_alone = uploads.left_alone if uploads else {}
        return Outcome(events, failed | (uploads.failed if uploads else {}), flushed, left_alone)

    def _reload(self) -> None:
        """Take up a configuration file that has changed, or that a signal wants to be read again."""
        asked = self._stop.take_reload()
        if self._reloader is not None:
            if asked:
                self._reloader.request()
            self._reloader.step()

    def _follow(self, config: Config, changes: Changes) -> None:
        """Use another configuration: cameras and rules that it does not change are left alone."""
        supervisor = self._supervisor
        assert supervisor is not None
        self._config = config
        self._runtime.config_hash = config_hash(config)
        for name in changes.cameras_removed:
            supervisor.remove(name)
        for camera in camera_specs(config):
            supervisor.configure(camera, self._runtime.order(camera, config.event_specs(camera.name)))
        if self._uploads is not None:
            self._uploads.change(config.event_specs(), config.privacy.blur_faces, rules_of_files(config, UPLOADS))
        self._janitor.change(config.retention)
        before, self._vlm = self._vlm, clients_of(config, self._vlm)
        self._readers.apply(config, self._vlm)
        for client in set(before.all).difference(self._vlm.all):
            client.close()

    def _take_heads(self, supervisor: Supervisor) -> None:
        """Have the cameras decide by heads that were put into force."""
        changed = self._feedback.take()
        for camera in camera_specs(self._config) if changed else ():
            events = self._config.event_specs(camera.name)
            if changed.intersection(event.name for event in events):
                supervisor.configure(camera, self._runtime.order(camera, events))

    def _observe(self, supervisor: Supervisor) -> None:
        uploads = self._uploads.snapshot() if self._uploads else None
        followed = self._reloader.status if self._reloader else None
        readers, asks = self._readers, bool(self._vlm.all)
        self._observer.update(
            self._runtime,
            supervisor,
            uploads,
            self._model,
            self._janitor.removed,
            readers.alerts.snapshot(),
            followed,
            readers.rules.counts,
            readers.verification.snapshot() if asks else None,
            self._vlm.snapshots(),
            readers.captions.snapshot() if asks else None,
        )

    def _rest(self, supervisor: Supervisor) -> None:
        """Wait for the next round, and process uploads meanwhile: many small files fit between two rounds."""
        uploads, end = self._uploads, time.monotonic() + STEP_S
        while not self._stop.came and (left := end - time.monotonic()) > 0:
            if uploads is None or uploads.pause_s >= left:
                self._stop.wait(left)
            else:
                self._stop.wait(uploads.pause_s)
                uploads.step(supervisor)

    def _watched_once(self, supervisor: Supervisor) -> bool:
        """Return whether every file has ended, and every live stream, which never ends, was tried once."""
        return all(camera.tried if is_live(camera.spec.url) else camera.done for camera in supervisor.cameras)

    def _settings(self) -> ServiceSettings:
        """Return the settings of the services; start the embedded server if it is configured."""
        url = self._config.redis.url
        if url == RedactedUrl("embedded"):
            self._embedded = EmbeddedServer(self._config.state_dir)
            url = RedactedUrl(self._embedded.start())
        return settings_of(self._config, url)

    def _end_open(self) -> None:
        """End events that the last run left open; on a full disk each camera's stream ends them later."""
        try:
            self._runtime.end_open()
        except EventLogError as error:
            log.error("events left open cannot be ended yet", code=error.code, error=str(error))
