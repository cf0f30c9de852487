"""The threads that read the event log: alerts, rules over time, verdicts and captions."""

from collections.abc import Callable

from daemon.alerts.service import AlertService
from daemon.api import ApiServices
from daemon.captions.service import CaptionService
from daemon.config import Config
from daemon.observability.snapshot import DaemonSnapshot
from daemon.runtime.base import Runtime
from daemon.service.sidecars import describe_sidecar
from daemon.summary.undescribed import UndescribedUploads
from daemon.temporal.service import TemporalService
from daemon.verification.service import VerificationService
from daemon.vlm.factory import VlmClients
from workers.state_layout import StateLayout

STOP_S = 1.0  # longest wait for the end of each
VERDICTS_S, CAPTIONS_S = 120.0, 600.0  # longest waits for a vision-language model


class LogReaders:
    """All of them, in one object. ``snapshot`` returns what the streams have decided so far."""

    def __init__(
        self,
        config: Config,
        runtime: Runtime,
        clients: VlmClients,
        api: ApiServices,
        snapshot: Callable[[], DaemonSnapshot],
    ) -> None:
        layout, follow, acknowledge = StateLayout(config.state_dir), runtime.follow, runtime.acknowledge
        self._clients = clients
        self.alerts = AlertService(config, layout, follow, acknowledge)
        self.rules = TemporalService(config, layout, follow, acknowledge, runtime.publish, snapshot)
        self.verification = VerificationService(config, layout, clients, follow, acknowledge, runtime.amend)
        self.captions = CaptionService(
            config,
            layout,
            clients,
            follow,
            acknowledge,
            lambda event_id, caption: runtime.amend(event_id, caption=caption),
            UndescribedUploads(api.uploads, api.library),
            lambda material, texts: describe_sidecar(material.path, texts, api.captions),
            lambda: self.verification.snapshot().waiting > 0,
        )

    def start(self) -> None:
        """Start all but ``rules``, which start when the events that the last run left open have ended."""
        self.alerts.start()
        self.verification.start()
        self.captions.start()

    def apply(self, config: Config, clients: VlmClients) -> None:
        """Use another configuration."""
        self._clients = clients
        self.alerts.apply(config)
        self.rules.apply(config)
        self.verification.apply(config, clients)
        self.captions.apply(config, clients)

    def drain(self, left: Callable[[], float], waits: bool, is_cancelled: Callable[[], bool]) -> None:
        """End what adds to the event log, after the streams; ``left`` returns the seconds until a deadline.

        ``waits``: for the verdicts and captions of all events first.
        """
        self.rules.stop(min(STOP_S, left()))
        if waits:
            self.verification.flush(VERDICTS_S, is_cancelled)
            self.captions.flush(CAPTIONS_S, is_cancelled)
        self.verification.stop(min(STOP_S, left()))

    def stop(self, left: Callable[[], float], flush_s: float) -> None:
        """End them all, and the requests in hand. ``flush_s``: how long to wait until every alert is delivered."""
        self.rules.stop(min(STOP_S, left()))
        self.verification.stop(min(STOP_S, left()))
        self._clients.close()
        self.captions.stop(min(STOP_S, left()))
        self.alerts.stop(min(STOP_S, left()), flush_s)
