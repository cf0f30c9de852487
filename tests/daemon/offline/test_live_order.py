"""The bundled sample in the order of a live stream: the same frames and audio, in order of time."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from daemon.offline.live_order import LiveOrder
from workers.redaction import RedactedUrl
from workers.sources.base import Source
from workers.sources.factory import build_source
from workers.types import U8, AudioChunk, CameraSpec, FrameBatch, FrameSpec, Interruption, SourceItem

SAMPLE = Path(__file__).resolve().parents[3] / "daemon" / "sample" / "sample.mp4"


def source() -> Source:
    return build_source(CameraSpec("file", RedactedUrl(str(SAMPLE)), 1.0), FrameSpec(32, 32, "squash"))


def frames(items: list[SourceItem]) -> U8:
    return np.concatenate([i.frames for i in items if isinstance(i, FrameBatch)])


def samples(items: list[SourceItem]) -> list[float]:
    return [x for i in items if isinstance(i, AudioChunk) for x in i.samples.tolist()]


def test_frames_come_one_by_one_with_the_audio_heard_by_then() -> None:
    plain, ordered = list(source().items()), list(LiveOrder(source()).items())
    batches = [i for i in ordered if isinstance(i, FrameBatch)]
    assert {len(b.pts_s) for b in batches} == {1}
    np.testing.assert_array_equal(frames(ordered), frames(plain))
    assert samples(ordered) == samples(plain)
    times = [
        float(i.pts_s[0]) if isinstance(i, FrameBatch) else i.end_s for i in ordered if not isinstance(i, Interruption)
    ]
    waits = [before - after for before, after in pairwise(times)]
    assert max(waits) <= 2.0  # what is heard is analysed at most two chunks of audio late
    assert len({type(i) for i in ordered}) == 2


def test_it_opens_counts_and_closes_as_the_source_does() -> None:
    ordered = LiveOrder(source())
    assert ordered.open().has_video
    next(ordered.items())
    ordered.stop()
    assert ordered.snapshot().frames_decoded > 0
    ordered.close()
