"""The models of a backtest in a process of its own: descriptions are embedded and windows are read, no media."""

from collections.abc import Iterator
from contextlib import contextmanager

from daemon.backtest.run import BacktestModels
from daemon.config import Config
from daemon.runtime.factory import SAMPLE
from workers.services.aligner import AlignerService
from workers.services.aligner_options import check_checkpoint
from workers.services.encoder import EncoderService
from workers.services.proxies import AlignerProxy, EncoderProxy, LocalTransport
from workers.services.state import StateService
from workers.state_layout import StateLayout


@contextmanager
def loaded_models(config: Config) -> Iterator[BacktestModels]:
    """Load the models of a configuration, which takes seconds; raise ``ModelUnavailable`` or ``CheckpointError``."""
    options = config.models.aligner_options()
    check_checkpoint(options)
    encoder = EncoderService(config.models.encoder_options(), SAMPLE)
    network = None
    try:
        if options.served:
            network = AlignerService(options, encoder.describe().calibration, encoder.vocabulary)
        client = AlignerProxy(LocalTransport(network)) if network else None
        state = StateService(layout=StateLayout(config.state_dir))
        yield BacktestModels(EncoderProxy(LocalTransport(encoder)), client, state)
    finally:
        if network is not None:
            network.close()
        encoder.close(1.0)
