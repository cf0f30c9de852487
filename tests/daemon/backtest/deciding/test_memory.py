"""What the network made of looks is remembered: another threshold asks it about little, and decides the same."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from alignment.calibration import LITE_CALIBRATION
from daemon.backtest.camera import CameraJudge
from daemon.backtest.deciding.memory import LooksMemory
from daemon.backtest.types import CameraResult, Period, TriedRule
from tests.daemon.backtest.deciding.test_skipping import ENCODER, QUERIES, START, TAPE, VOCABULARY, same, stream
from tests.support.recorded.shards import write_stream
from workers.index.erasing import erase, holds
from workers.index.reader import IndexReader
from workers.services.aligner import AlignerService
from workers.services.aligner_options import AlignerOptions
from workers.services.proxies import AlignerProxy, LocalTransport
from workers.types import EventSpec

pytestmark = pytest.mark.timeout(150)
CLIPS = 900


class Tries:
    """Tries a look on one camera, and counts of how many clips the network reads."""

    def __init__(self, folder: Path, service: AlignerService) -> None:
        self.looked, self._local, self._reader = 0, LocalTransport(service), IndexReader(folder)
        self._client = AlignerProxy(self)

    def __call__(self, method: str, *args: Any) -> "Future[Any]":
        self.looked += len(args[1]) if method == "look" else 0
        return self._local(method, *args)

    def tried(self, memory: LooksMemory, threshold: float, since: float = START + 90) -> CameraResult:
        period, self.looked = Period(since, START + CLIPS), 0
        rule = TriedRule("cam", EventSpec("event", ("event",), threshold=threshold), QUERIES["look"], ENCODER)
        shards = [*self._reader.shards(["cam"], START, period.until)]
        return CameraJudge(rule, self._client, period, lambda clips: None, memory).judge(shards, live=True)


def test_another_threshold_and_another_time_need_little_of_the_network(tmp_path: Path) -> None:
    write_stream(tmp_path, TAPE, list(stream(7, CLIPS)), each=700)
    service = AlignerService(AlignerOptions(), LITE_CALIBRATION, VOCABULARY)
    tries, memory = Tries(tmp_path, service), LooksMemory()
    tries.tried(memory, 0.6)
    cold = tries.looked
    for threshold, since in ((0.4, START + 90), (0.7, START + 400)):
        expected = tries.tried(LooksMemory(), threshold, since)
        assert expected.hits
        same(expected, tries.tried(memory, threshold, since), score=1e-4)
        assert tries.looked < 0.7 * cold
    for shard in tmp_path.glob("cam/*.shard"):
        if holds(shard, START + 500, START + 510):
            erase(shard, START + 500, START + 510)
    expected = tries.tried(LooksMemory(), 0.4)
    same(expected, tries.tried(memory, 0.4), score=1e-4)
    assert tries.looked > 0
    service.close()
