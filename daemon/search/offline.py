"""A search without a daemon: its index, and models of this process."""

from daemon.checking.descriptions import DescriptionJudge
from daemon.config import Config
from daemon.privacy.upload_data import UploadRecords
from daemon.runtime.factory import SAMPLE
from daemon.search.engine import SearchEngine, SearchModels
from daemon.search.evidence import EvidenceFinder
from daemon.search.request import SearchRequest
from daemon.search.results import Found
from workers.index.reader import IndexReader
from workers.publish.log.view import LogView
from workers.services.aligner import AlignerService
from workers.services.encoder import EncoderService
from workers.services.proxies import AlignerProxy, EncoderProxy, LocalTransport
from workers.state_layout import StateLayout


class OfflineSearch:
    """Searches the index of a configuration's state folder. Loads its models: seconds. Raise ``ModelUnavailable``."""

    def __init__(self, config: Config) -> None:
        layout = StateLayout(config.state_dir)
        log = LogView(layout.event_log)
        self._engine = SearchEngine(IndexReader(layout.index), log)
        self._evidence = EvidenceFinder(log, config.evidence_folder(), UploadRecords(layout.uploads))
        options = config.models.aligner_options()
        self._encoder = EncoderService(config.models.encoder_options(), SAMPLE)
        self._network: AlignerService | None = None
        if options.served:
            calibration = self._encoder.describe().calibration
            self._network = AlignerService(options, calibration, self._encoder.vocabulary)
        self._models = SearchModels(
            EncoderProxy(LocalTransport(self._encoder)),
            AlignerProxy(LocalTransport(self._network)) if self._network else None,
            DescriptionJudge(config),
        )

    def search(self, request: SearchRequest) -> Found:
        """Return the best moments; raise ``SearchError``, ``SourceInvalid`` for an image that is none."""
        return self._engine.search(request, self._models, self._evidence)

    def close(self) -> None:
        """End the models."""
        if self._network is not None:
            self._network.close()
        self._encoder.close()
