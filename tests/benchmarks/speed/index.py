"""What the index costs: bytes a day and camera, and processor time of writing, for real features of videos.

    python -m tests.benchmarks.speed.index VIDEO …

The videos are watched once with ``lite`` and three events, about objects, sounds and speech, so that all of it is
recorded. Their items are then repeated as eight live cameras at one frame a second for ``--minutes`` of stream time,
as fast as possible, with frames of the first video where a thumbnail is kept; the processor time of rounding, sending
and writing is divided by that time.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np

from daemon.offline.runner import OfflineSettings, service_settings
from daemon.runtime.local import LocalRuntime
from workers.clock import SystemClock
from workers.events.evidence import EvidenceStore
from workers.index.reader import IndexReader
from workers.index.shard import Shard
from workers.index.types import TapeInfo
from workers.items import AudioAnalysed, FrameAnswer, StreamItem, Transcript
from workers.redaction import RedactedUrl
from workers.services.state import StateService
from workers.sources.random_access import read_frames_at
from workers.stream.tape import Tape
from workers.stream.thumbnails import Thumbnails
from workers.types import U8, CameraSpec, EventSpec, FrameSpec

EVENTS = (
    EventSpec("person", ("a person",)),
    EventSpec("bark", ("a dog barks",)),
    EventSpec("parcel", ("someone talks about a parcel",)),
)
CAMERAS = 8
DAY_S = 86_400.0
MOST_WAITING = 100  # batches: cameras would send no faster than these are written


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--minutes", type=float, default=70.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recorded = watched(options.videos, Path(folder) / "state")
        seconds = sum(shard.end - max(shard.start, 0.0) for shard in recorded)
        print(f"{len(recorded)} videos, {seconds:.0f} s, {sum(len(s.t) for s in recorded)} frames")
        write_cameras(recorded, Shown(options.videos[0]), options.minutes * 60, Path(folder) / "index")


def watched(videos: Sequence[Path], state_dir: Path) -> list[Shard]:
    """Watch videos with the models of ``lite``; return their shards."""
    settings = replace(service_settings(OfflineSettings()), state_dir=state_dir, pictures=None)
    runtime = LocalRuntime(settings)
    runtime.start()
    for video in videos:
        camera = CameraSpec(video.stem, RedactedUrl(str(video)), events=tuple(e.name for e in EVENTS))
        stream = runtime.start_stream(camera, EVENTS)
        while (snapshot := stream.snapshot()).state not in ("finished", "failed"):
            time.sleep(0.1)
        assert snapshot.failure is None, snapshot.failure
    runtime.stop()
    assert settings.index_folder is not None
    return list(IndexReader(settings.index_folder).shards())


def write_cameras(recorded: Sequence[Shard], shown: "Shown", seconds: float, folder: Path) -> None:
    """Write the items of what was recorded as those of eight live cameras; print bytes and processor time."""
    state, clock = StateService(index=folder), PacedClock()
    streams = [live([*recorded[n:], *recorded[:n]], f"camera{n}", seconds) for n in range(CAMERAS)]
    tapes = [Tape(state, tape, clock, Thumbnails(shown)) for tape, _ in streams]
    items = sorted(((at, n, item) for n, (_, found) in enumerate(streams) for at, item in found), key=lambda x: x[:2])
    print(f"{len(items)} items of {CAMERAS} cameras")
    began = processor_s()
    for at, n, item in items:
        clock.now = at
        tapes[n].take(item)
        while state.snapshot().waiting > MOST_WAITING:  # type: ignore[union-attr]  # there is an index
            time.sleep(0.001)
    for tape in tapes:
        tape.finish()
    state.close(600)
    used = processor_s() - began
    lost = sum(tape.lost for tape in tapes)
    full = sum(path.stat().st_size for path in folder.rglob("*.shard"))
    print(f"{full / CAMERAS * DAY_S / seconds / 1e6:.1f} MB a day and camera; {lost} items lost")
    pictures = [int((s.columns["picture_bytes"] > 0).sum()) for s in IndexReader(folder).shards()]
    print(f"{sum(pictures) / CAMERAS * DAY_S / seconds:.0f} thumbnails a day and camera")
    print(f"{100 * used / seconds:.2f} % of a core for {CAMERAS} cameras: rounding, sending, writing, making full")
    measure_reading(folder)


class Shown(EvidenceStore):
    """The frames of a video, again and again."""

    def __init__(self, video: Path) -> None:
        super().__init__(None, video.stem)
        self._pictures = read_frames_at(str(video), [n + 0.5 for n in range(60)], FrameSpec(256, 256, "whole"))[1]

    def frame(self, t: float) -> U8 | None:
        """Return a frame of a second."""
        return np.asarray(self._pictures[int(t) % len(self._pictures)])


def live(recorded: Sequence[Shard], camera: str, seconds: float) -> tuple[TapeInfo, list[tuple[float, StreamItem]]]:
    """Return the items of recorded files, one after the other again and again, as those of one live stream."""
    found: list[tuple[float, StreamItem]] = []
    t0 = at = float(int(time.time())) - seconds
    for shard in cycle(recorded):
        for item in shard.items():
            found += [(part.start_s, part) for part in single(item, at)]
        at += shard.end
        if at - t0 > seconds:
            break
    tape = replace(recorded[0].info.tape, camera=camera, key=camera, live=True, file=None, recorded=t0)
    return tape, sorted(found, key=lambda x: x[0])


def single(item: StreamItem, at: float) -> Iterator[FrameAnswer | AudioAnalysed | Transcript]:
    """Yield an item at a later time, frame by frame."""
    if isinstance(item, FrameAnswer):
        for n, t in enumerate(item.pts_s):
            objects = None if item.detections is None else item.detections[n : n + 1]
            yield FrameAnswer(0, np.array([at + t]), item.features[n : n + 1], objects)
    elif isinstance(item, AudioAnalysed):
        tags = None if item.tags is None else replace(item.tags, t=item.tags.t + at)
        yield AudioAnalysed(0, at + item.start_s, at + item.end_s, at + item.settled_s, tags)
    elif isinstance(item, Transcript):
        said = tuple(replace(u, start_s=at + u.start_s, end_s=at + u.end_s) for u in item.utterances)
        yield Transcript(0, at + item.start_s, said, item.features)


def measure_reading(folder: Path) -> None:
    """Print how long it takes to open all shards, and to make all items of one."""
    reader, began = IndexReader(folder), time.perf_counter()
    shards = list(reader.shards())
    opened = time.perf_counter() - began
    began = time.perf_counter()
    rows = sum(int(np.asarray(shard.frames, np.int32).sum() != 0) for shard in shards)
    read = time.perf_counter() - began
    began = time.perf_counter()
    items = sum(1 for _ in shards[0].items())
    made = time.perf_counter() - began
    print(f"opening {len(shards)} shards {1000 * opened:.1f} ms, reading {rows} {1000 * read:.1f} ms")
    print(f"{items} items of one shard {1000 * made:.0f} ms")


def processor_s() -> float:
    """Return the processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class PacedClock(SystemClock):
    """A clock that shows stream time."""

    now = 0.0

    def monotonic(self) -> float:
        """Return the stream second of the latest item."""
        return self.now


if __name__ == "__main__":
    main()
