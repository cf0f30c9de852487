"""The wall clock is set by hours while a live camera runs: its events go on, each at the time that was right then."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from colour_encoder import COLOURS, ColourEncoder
from memory_sink import MemorySink

from alignment.similarity import SimilarityAligner
from workers.pipeline import StreamPipeline, StreamTools
from workers.redaction import RedactedUrl
from workers.types import CameraSpec, EventSpec, FrameBatch, SourceInfo, SourceSnapshot

NOON = 1.7e9
SCENE = ("grey",) * 4 + ("red",) * 6 + ("grey",) * 6


class Camera:
    """Shows the scene once an epoch, each from another time on."""

    def __init__(self, starts: Sequence[float]) -> None:
        self._starts = starts

    def open(self) -> SourceInfo:
        return SourceInfo("session", True, True, False)

    def items(self) -> Iterator[FrameBatch]:
        for epoch, start in enumerate(self._starts):
            for second, colour in enumerate(SCENE):
                at = np.array([start + second])
                frame = np.tile(np.array(COLOURS[colour], np.uint8), (1, 32, 32, 1))
                yield FrameBatch("cam", epoch, at, at, frame)

    def snapshot(self) -> SourceSnapshot:
        return SourceSnapshot(up=True)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def red_events(*starts: float) -> list[tuple[float, float]]:
    encoder, sink = ColourEncoder(), MemorySink()
    tools = StreamTools(encoder, None, SimilarityAligner(encoder.describe().calibration), sink, "cfg")
    spec = EventSpec("red", ("red",), cooldown_s=60.0)
    StreamPipeline(CameraSpec("cam", RedactedUrl("rtsp://h/x")), (spec,), Camera(starts), tools).run()
    ends = [e for e in sink.events if e.type == "end"]
    assert len({e.id for e in ends}) == len({e.id for e in sink.events}) == len(ends)
    return [(e.start, e.end) for e in ends]


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_cooldown_does_not_last_as_long_as_the_clock_was_set_back(hours: int) -> None:
    stepped = NOON + 3600 * hours
    for found, start in zip(red_events(NOON, stepped), (NOON, stepped), strict=True):
        assert found == (pytest.approx(start + 4, abs=1), pytest.approx(start + 10, abs=1))


def test_a_cooldown_lasts_over_a_break() -> None:
    assert len(red_events(NOON, NOON + 30)) == 1
    assert len(red_events(NOON, NOON + 30, NOON + 120)) == 2
