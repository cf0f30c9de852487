"""The life of the daemon: start in order, run, drain in order.

Drain, within ten seconds of the first SIGTERM or SIGINT (a second one exits at once), each step with a deadline:

1. streams: sources stop, what was asked for is answered, open spans are closed and handed to the publisher
2. publisher: what waits in the spool goes to Redis; what cannot stays on disk for the next start
3. the HTTP port, the runtime, the embedded server
"""

import time
from dataclasses import dataclass

import structlog

from daemon.config import Config, config_hash
from daemon.config.cameras import UploadsConfig
from daemon.http import Access, HttpServer, TlsFiles, build_app
from daemon.observe import Observer
from daemon.privacy.former import holds_events
from daemon.privacy.janitor import Janitor
from daemon.privacy.places import Places, nothing_halted
from daemon.privacy.uploads import UploadRecords
from daemon.runtimes import build_runtime
from daemon.state import StateFolder
from daemon.stopping import StopRequest
from daemon.supervisor import Supervisor, all_done
from daemon.uploads import UploadFolder
from workers.aligners import check_checkpoint
from workers.errors import SpoolError
from workers.publish.embedded import EmbeddedServer
from workers.publish.redis_settings import RedisSettings
from workers.redaction import RedactedUrl
from workers.settings import ServiceSettings
from workers.sources.url import is_live
from workers.state_layout import StateLayout
from workers.types import Event

STEP_S = 0.5
# Until when the steps of the drain are over, seconds after the signal; each may take what those before left over.
STREAMS_UNTIL_S = 5.0
FLUSHED_UNTIL_S = 6.5
FLUSH_S = 3.0  # at most: a server that has not answered by then is not about to
STOPPED_UNTIL_S = 8.0
ONCE_FLUSH_S = 10.0
JANITOR_STOP_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: the events, the cameras (or uploads) that failed with why, whether Redis has everything."""

    events: tuple[Event, ...]
    failed: dict[str, str]
    flushed: bool


class Daemon:
    """Everything that ``watchword run`` starts, in one object."""

    def __init__(self, config: Config, once: bool = False) -> None:
        self._config, self._once = config, once
        self._stop = StopRequest()
        self._embedded: EmbeddedServer | None = None
        self._observer = Observer()
        http = config.http
        tls = TlsFiles(http.tls.certificate, http.tls.key) if http.tls else None
        access = Access.of(http)
        app = build_app(self._observer.snapshot, access)
        self._http = HttpServer(app, http.host, http.port, tls, access.is_proxy)

    def run(self) -> Outcome:
        """Run until stopped, or with ``once`` until every file has ended; return what came of it."""
        config = self._config
        check_checkpoint(config.models.aligner_options())
        with StateFolder(config.state_dir):
            return self._run()

    def _run(self) -> Outcome:
        """Run with the state folder held."""
        config = self._config
        folders = config.uploads
        self._uploads = self._upload_folder(folders) if folders else None
        self._http.start()
        log.info("listening", url=self._http.url)
        try:
            settings = self._settings()
            self._runtime = build_runtime(config.runtime, settings, config.ray.address)
            self._model = self._runtime.start().info
            try:
                return self._serve(settings)
            finally:
                self._runtime.stop(self._stop.left(STOPPED_UNTIL_S))
        finally:
            self._http.stop()
            if self._embedded is not None:
                self._embedded.stop()

    def _serve(self, settings: ServiceSettings) -> Outcome:
        """Run with the services started."""
        self._janitor = self._clean(settings)
        try:
            self._stop.catch_signals()  # after ray.init, which sets its own
            log.info("models loaded", model=self._model.id, device=self._model.device)
            return self._watch()
        finally:
            self._janitor.stop(min(JANITOR_STOP_S, self._stop.left(STOPPED_UNTIL_S)))

    def _upload_folder(self, folders: UploadsConfig) -> UploadFolder:
        config = self._config
        records = UploadRecords(StateLayout(config.state_dir).uploads)
        return UploadFolder(folders.folder, folders.done, config.event_specs(), records, config.privacy.blur_faces)

    def _clean(self, settings: ServiceSettings) -> Janitor:
        """Start what keeps data within its retention, and forgets on demand."""
        layout = StateLayout(self._config.state_dir)
        halted, config = self._uploads.halted if self._uploads else nothing_halted, self._config
        places = Places(
            layout, settings.redis, self._embedded is not None, self._runtime.erase, halted, elsewhere=config.spreads
        )
        if not places.embedded and holds_events(layout):
            folder = str(layout.redis_events)
            log.warning("events of the embedded server lie here as well, and are kept as long as others", folder=folder)
        janitor = Janitor(places, self._config.retention)
        janitor.start()
        return janitor

    def _watch(self) -> Outcome:
        """Supervise until the end, then drain."""
        supervisor, uploads = Supervisor(self._runtime, retry=not self._once), self._uploads
        self._end_open()
        for camera in self._config.camera_specs():
            supervisor.watch(camera, self._config.event_specs(camera.name))
        while not self._stop.came:
            supervisor.step()
            if uploads is not None:
                uploads.step(supervisor)
            self._observe(supervisor)
            if self._once and self._files_done(supervisor) and (uploads is None or uploads.idle):
                break
            self._rest(supervisor)
        log.info("draining", step=1, of=3)
        supervisor.drain(self._stop.left(STREAMS_UNTIL_S))
        log.info("draining", step=2, of=3)
        flush_s = min(FLUSH_S, self._stop.left(FLUSHED_UNTIL_S)) if self._stop.came else ONCE_FLUSH_S
        flushed = self._runtime.flush(flush_s)
        self._observe(supervisor)
        if not flushed:
            log.warning("Redis did not take every event in time: the rest waits in the spool")
        log.info("draining", step=3, of=3)
        failed = {w.camera.name: w.snapshot.error or "" for w in supervisor.watched if w.snapshot.state == "failed"}
        events = self._runtime.take_events() if self._once else ()
        return Outcome(events, failed | (uploads.failed if uploads else {}), flushed)

    def _observe(self, supervisor: Supervisor) -> None:
        uploads = self._uploads.snapshot() if self._uploads else None
        self._observer.update(self._runtime, supervisor, uploads, self._model, self._janitor.removed)

    def _rest(self, supervisor: Supervisor) -> None:
        """Wait for the next round; go on with uploads meanwhile, for many small ones fit between two rounds."""
        uploads, end = self._uploads, time.monotonic() + STEP_S
        while not self._stop.came and (left := end - time.monotonic()) > 0:
            if uploads is None or uploads.pause_s >= left:
                self._stop.wait(left)
            else:
                self._stop.wait(uploads.pause_s)
                uploads.step(supervisor)

    def _files_done(self, supervisor: Supervisor) -> bool:
        """Whether every file has ended; live streams never do, so ``--once`` does not wait for them."""
        return all_done(w for w in supervisor.watched if not is_live(w.camera.url))

    def _settings(self) -> ServiceSettings:
        """Return what the services are built from; the embedded server is started here."""
        config = self._config
        url = config.redis.url
        if url == RedactedUrl("embedded"):
            self._embedded = EmbeddedServer(config.state_dir)
            url = RedactedUrl(self._embedded.start())
        return ServiceSettings(
            encoder=config.models.encoder_options(),
            speech=config.speech.options(),
            aligner=config.models.aligner_options(),
            limits=config.limits.limits(),
            config_hash=config_hash(config),
            redis=RedisSettings(url, config.redis.stream, config.redis.maxlen, config.redis.cluster),
            state_dir=config.state_dir,
        )

    def _end_open(self) -> None:
        """End what the last run left open; a full disk keeps it open until the camera's stream has its turn."""
        try:
            self._runtime.end_open()
        except SpoolError as error:
            log.error("events left open cannot be ended yet", code=error.code, error=str(error))
