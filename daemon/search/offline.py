"""A search without a daemon: its index, and models of this process."""

from contextlib import ExitStack
from functools import cached_property

from daemon.checking.descriptions import DescriptionJudge
from daemon.config import Config
from daemon.runtime.factory import SAMPLE
from daemon.search.engine import SearchModels
from daemon.search.service import SearchService
from workers.services.aligner import AlignerService
from workers.services.encoder import EncoderService
from workers.services.proxies import AlignerProxy, EncoderProxy, LocalTransport
from workers.state_layout import StateLayout


class OfflineSearch(SearchService):
    """Searches the index of a configuration's state folder. The first search loads the models: seconds."""

    def __init__(self, config: Config) -> None:
        super().__init__(StateLayout(config.state_dir), lambda: config, lambda: self._loaded)
        self._of, self._ends = config, ExitStack()

    @cached_property
    def _loaded(self) -> SearchModels:
        """Return the models; raise ``ModelUnavailable``."""
        options, network = self._of.models.aligner_options(), None
        encoder = EncoderService(self._of.models.encoder_options(), SAMPLE)
        self._ends.callback(encoder.close)
        if options.served:
            network = AlignerService(options, encoder.describe().calibration, encoder.vocabulary)
            self._ends.callback(network.close)
        return SearchModels(
            EncoderProxy(LocalTransport(encoder)),
            AlignerProxy(LocalTransport(network)) if network else None,
            DescriptionJudge(self._of),
        )

    def close(self) -> None:
        """End the models."""
        self._ends.close()
