"""The wall clock is set by hours while a live camera runs: its events go on, each at the time that was right then."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from alignment.aligners.similarity import SimilarityAligner
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.redaction import RedactedUrl
from workers.sources.base import WithoutClips
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, EventSpec, FrameBatch, SourceInfo, SourceSnapshot

NOON = 1.7e9
SCENE = ("grey",) * 4 + ("red",) * 6 + ("grey",) * 6


class Camera(WithoutClips):
    """Shows the scene once an epoch, each from another time on."""

    def __init__(self, starts: Sequence[float]) -> None:
        self._starts = starts

    def open(self) -> SourceInfo:
        return SourceInfo("session", True, True, False)

    def items(self) -> Iterator[FrameBatch]:
        for segment, start in enumerate(self._starts):
            for second, colour in enumerate(SCENE):
                at = np.array([start + second])
                frame = np.tile(np.array(COLOURS[colour], np.uint8), (1, 32, 32, 1))
                yield FrameBatch("cam", segment, at, at, frame)

    def snapshot(self) -> SourceSnapshot:
        return SourceSnapshot(up=True)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def red_events(*starts: float) -> list[tuple[float, float]]:
    encoder, sink = ColourEncoder(), MemorySink()
    aligner, services = SimilarityAligner(encoder.describe().calibration), services_of(encoder, sink)
    spec = EventSpec("red", ("red",))
    StreamPipeline(CameraSpec("cam", RedactedUrl("rtsp://h/x")), (spec,), Camera(starts), aligner, services).run()
    ends = [e for e in sink.events if e.type == "end"]
    assert len({e.id for e in ends}) == len({e.id for e in sink.events}) == len(ends)
    return [(e.start, e.end) for e in ends]


@pytest.mark.parametrize("hours", [-3, 3])
def test_events_go_on_after_the_clock_was_set(hours: int) -> None:
    stepped = NOON + 3600 * hours
    for found, start in zip(red_events(NOON, stepped), (NOON, stepped), strict=True):
        assert found == (pytest.approx(start + 4, abs=1), pytest.approx(start + 10, abs=1))


def test_events_on_both_sides_of_a_short_break_are_both_recorded() -> None:
    assert len(red_events(NOON, NOON + 30)) == 2
