"""A backtest: the rule on every camera that it is tried on, and what can be learned from its hits."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce

from daemon.backtest.advice import LookAlike, holding_budget, look_alikes
from daemon.backtest.camera import CameraJudge
from daemon.backtest.curve import no_tally
from daemon.backtest.deciding.memory import LooksMemory
from daemon.backtest.estimate import Estimate, estimate, worth_estimating
from daemon.backtest.parts import WARM_CLIPS
from daemon.backtest.request import Trial
from daemon.backtest.types import CameraResult, Hit, Period, Tally, TriedRule
from workers.decisions.feedback import load_heads
from workers.index.reader import IndexReader
from workers.index.shard import Shard
from workers.services.aligner_options import build_aligner
from workers.services.clients import AlignerClient, EncoderClient, StateClient
from workers.types import EventSpec

THREADS = 2  # cameras that are judged at a time
OnProgress = Callable[[int, int], None]  # clips that were judged, and all
OnEstimate = Callable[[Estimate], None]


@dataclass(frozen=True, slots=True)
class BacktestModels:
    """What a backtest asks of the models, and what it remembers of their answers.

    ``network`` None: cosines only. ``state`` has what rules have learned.
    """

    encoder: EncoderClient
    network: AlignerClient | None
    state: StateClient
    memory: LooksMemory = field(default_factory=LooksMemory)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have reported. ``budget``: the smallest that no hit exceeds; None: none is large enough."""

    spec: EventSpec
    period: Period
    cameras: tuple[CameraResult, ...]
    budget: str | None
    look_alikes: tuple[LookAlike, ...]
    warnings: tuple[str, ...]

    @property
    def hits(self) -> tuple[Hit, ...]:
        """Return the hits of all cameras."""
        return tuple(hit for camera in self.cameras for hit in camera.hits)

    @property
    def tally(self) -> Tally:
        """Return what each threshold would have given on all cameras."""
        return reduce(lambda a, b: a + b, (camera.tally for camera in self.cameras), no_tally())


class Stopped(Exception):
    """A backtest was told to stop."""


def backtest(
    trial: Trial,
    index: IndexReader,
    models: BacktestModels,
    on_progress: OnProgress = lambda done, total: None,
    stopping: threading.Event | None = None,
    on_estimate: OnEstimate | None = None,
    whole: bool = False,
) -> Backtest:
    """Decide again on what is stored. Raise ``Stopped`` once ``stopping`` is set, and the errors of models.

    ``on_estimate`` gets the likeliest moments first, where deciding takes long. ``whole``: see ``CameraJudge``.
    """
    encoder, period = models.encoder.describe(), trial.period
    deciding = f"{encoder.info.id} {build_aligner(encoder.calibration, models.network).name}"
    queries = {spec: models.encoder.build_queries([spec])[0] for spec in trial.specs.values()}
    shards = {name: _shards(index, name, period) for name in trial.specs}
    total = sum(_clips(found) for found in shards.values())
    done, counting = 0.0, threading.Lock()

    def count(clips: float) -> None:
        """Count clips that were decided; raise ``Stopped`` if the backtest is to stop."""
        nonlocal done
        if stopping is not None and stopping.is_set():
            raise Stopped
        with counting:
            done += clips
            on_progress(min(round(done), total), total)

    rules = {
        name: TriedRule(name, spec, queries[spec], encoder, load_heads(models.state, (spec,), deciding))
        for name, spec in trial.specs.items()
    }
    if on_estimate is not None and worth_estimating(rules.values()):
        on_estimate(estimate(rules.values(), shards, period, models.network))

    def judged(name: str) -> CameraResult:
        """Return what the rule would have reported on one camera."""
        live = any(shard.info.tape.live for shard in shards[name])
        return CameraJudge(rules[name], models.network, period, count, models.memory, whole).judge(shards[name], live)

    with ThreadPoolExecutor(THREADS, "backtest") as pool:
        results = list(pool.map(judged, trial.specs))
    hits = [result.hits for result in results]
    spec, query = trial.spec, queries[trial.spec]
    alike = look_alikes((hit for found in hits for hit in found), query, spec.describe, models.encoder)
    warnings = models.encoder.query_warnings([spec], True)
    return Backtest(spec, period, tuple(results), holding_budget(hits), alike, warnings)


def _shards(index: IndexReader, camera: str, period: Period) -> list[Shard]:
    """Return the shards of a camera, from a window before the period on: its hop is not known before."""
    longest = 4.0  # seconds, a hop
    return list(index.shards([camera], period.since - WARM_CLIPS * longest, period.until))


def _clips(shards: Sequence[Shard]) -> int:
    return sum(len(shard.t) for shard in shards)
