"""Trying a rule on the past: ``python -m tests.benchmarks.speed.backtest --folder DIR [--cameras 1] [--days 1]``.

The index is that of ``tests.benchmarks.speed.search``, real features of the shipped encoder, each turned a little; one
that is there is read as it is. Prints for each rule its likely moments and when they were there, its events, the share
of clips that were decided one by one, the time by the clock and of the processor, and what the latter is for a week of
eight cameras.
"""

import argparse
import time
from pathlib import Path

from daemon.backtest.estimate import Estimate
from daemon.backtest.request import Trial
from daemon.backtest.run import BacktestModels, backtest
from daemon.backtest.types import Period
from daemon.config.loader import config_from
from daemon.config.sections.events import resolve
from daemon.runtime.factory import SAMPLE
from tests.benchmarks.speed.search import write
from workers.index.reader import IndexReader
from workers.models.options import EncoderOptions
from workers.services.aligner import AlignerService
from workers.services.aligner_options import AlignerOptions
from workers.services.encoder import EncoderService
from workers.services.proxies import AlignerProxy, EncoderProxy, LocalTransport
from workers.services.state import StateService

RULES = {
    "objects that never come": {"describe": "two people", "threshold": 0.97},
    "objects": {"describe": "a person"},
    "objects, again": {"describe": "a person"},
    "objects, with a budget": {"describe": "two people", "max_false_alerts": "1/day"},
    "objects and a look": {"describe": "a man with a ladder"},
    "a look": {"describe": "a padlock"},
    "a look, another threshold": {"describe": "a padlock", "threshold": 0.5},
}
WEEK_CLIPS = 8 * 7 * 86_400


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    options = parser.parse_args()
    index, encoder = options.folder / "index", EncoderService(EncoderOptions("lite"))
    if not index.is_dir():
        write(index, encoder, options.cameras, options.days, [SAMPLE])
    network = AlignerService(AlignerOptions(), encoder.describe().calibration, encoder.vocabulary)
    client = AlignerProxy(LocalTransport(network))
    models = BacktestModels(EncoderProxy(LocalTransport(encoder)), client, StateService())
    reader = IndexReader(index)
    period = Period(0.0, time.time())
    for what in options.rules:
        config = config_from({"events": {"rule": RULES[what]}}, options.folder)
        spec = resolve("rule", config.described["rule"], None)
        trial = Trial(dict.fromkeys(reader.cameras(), spec), period)
        began, cpu = time.perf_counter(), time.process_time()

        def note(likely: Estimate, began: float = began, cpu: float = cpu) -> None:
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(f"estimate: {len(likely.moments)} moments after {took:.1f} s, cpu {cpu:.1f} s")

        found = backtest(trial, reader, models, on_estimate=note)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        clips, one_by_one = (sum(getattr(c, name) for c in found.cameras) for name in ("clips", "replayed"))
        print(
            f"{what:25} {len(found.hits):5} events  {one_by_one / clips:4.0%} of {clips} clips one by one  "
            f"{took:6.1f} s  cpu {cpu:6.1f} s  a week of eight cameras {cpu / clips * WEEK_CLIPS:6.1f} s",
            flush=True,
        )
    network.close()
    encoder.close()


if __name__ == "__main__":
    main()
