"""A day of cameras on disk: events with clips, and an index in which one moment is unlike all others."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alignment.types import F32
from alignment.vectors import unit_rows
from daemon.privacy.stores.uploads import UploadRecords, WatchedUpload
from tests.support.events import make_event, make_live
from tests.support.recorded.event_log import FixedClock, opened
from tests.support.recorded.index import NO_THUMBNAILS, TAPE, UPLOAD, with_thumbnails
from tests.support.streams.pipelines import write_colours
from tests.support.videos.media import make_video
from tests.support.videos.recording import recorded, spec
from workers.events.event import Event
from workers.index.packing import sizes
from workers.index.records import Part, part_to_bytes
from workers.index.tables import joined
from workers.index.types import ShardInfo, TapeInfo
from workers.index.writer import OpenShard, compact
from workers.items import FrameAnswer
from workers.publish.log.event_log import EventLog
from workers.sources.clips.making import make_clip
from workers.state_layout import StateLayout

D = TAPE.dims[0]


def live_event(number: int, start: float, camera: str = "door", clip: Path | None = None, **changes: Any) -> Event:
    """Return the end of a live event of four seconds, which is surest in its second one."""
    evidence = {"snapshot": None, "clip": str(clip) if clip else None, "top_frames": [[start + 1, 0.9]], "words": []}
    times = {"start": start, "end": start + 4.0, "start_unix": start, "end_unix": start + 4.0}
    return make_live(number, camera=camera, type="end", evidence=evidence, **(times | changes))


def live_clip(folder: Path, name: str, start: float, **changes: Any) -> Path:
    """Write a clip of ten seconds of numbered frames, ten a second, that shows Unix second ``start`` on."""
    folder.mkdir(parents=True, exist_ok=True)
    source = make_video(folder / f"{name}.mkv", range(0, 10_000, 100), **{"gop": 10, "b_frames": 0} | changes)
    cut = recorded(source, since=start).cut(start, start + 10)
    assert cut is not None
    path = folder / f"{name}.mp4"
    path.write_bytes(make_clip(cut, start, spec(source), live=True).content)
    source.unlink()
    return path


def log_events(layout: StateLayout, events: Sequence[Event]) -> None:
    """Write events into a log that no daemon has open, each as accepted when a live one ended."""
    clock = FixedClock()
    with opened(layout.event_log, clock=clock) as (log, _):
        for event in events:
            clock.now = max(clock.now, event.end)
            log.append([event])


def index_frames(
    layout: StateLayout,
    rows: F32,
    t: np.ndarray,
    tape: TapeInfo,
    is_open: bool = False,
    thumbnails: Mapping[float, bytes] = NO_THUMBNAILS,
) -> None:
    """Write a shard of frames, full or open; ``thumbnails`` by the time of their frame."""
    info = ShardInfo(
        replace(tape, key=f"{tape.key}{t[0]}", dims=(rows.shape[1], tape.dims[1]), zones=(), detects=False)
    )
    shard = OpenShard(layout.index / tape.camera, info, float(t[0]))
    answers = [FrameAnswer(0, t[i : i + 500], rows[i : i + 500]) for i in range(0, len(t), 500)]
    for first, answer in enumerate(answers):
        shard.append(part_to_bytes(Part(first, joined([with_thumbnails(answer, thumbnails)], sizes(info.tape)))))
    shard.close()
    if not is_open:
        os.utime(shard.path, (t[-1], t[-1]))  # a file was watched until its last change
        compact(shard.path, closed=True)


def usual_rows(count: int, strange: slice, seed: int = 0) -> F32:
    """Return what a camera shows: the same with noise, and something else in between."""
    rng = np.random.default_rng(seed)
    usual, other = unit_rows(np.random.default_rng(5).normal(size=(2, D)))
    rows = np.repeat(usual[None], count, axis=0)
    rows[strange] = other
    return unit_rows(rows + 0.1 * unit_rows(rng.normal(size=(count, D))))


def stored_upload(layout: StateLayout, done: Path, log: EventLog) -> Path:
    """Put an upload of three scenes that was watched into ``done``, with its index and one event."""
    file = write_colours(done / "film.mp4", [("grey", 12), ("red", 12), ("grey", 12)])
    since = time.time()
    evidence = make_event().evidence.model_dump() | {"top_frames": [(15.0, 0.9)]}
    times: dict[str, Any] = {"start": 14.0, "end": 18.0, "evidence": evidence}
    log.append([make_event(9, camera="uploads", event="red", description=["a red picture"], **times)])
    index_frames(layout, usual_rows(36, slice(12, 24)), np.arange(36.0), replace(UPLOAD, recorded=since))
    for shard in (layout.index / "uploads").iterdir():  # the names of a file's shards say when it was watched
        _, _, rest = shard.name.split("-", 2)
        shard.rename(shard.with_name(f"{int(since * 1000)}-{int(since * 1000) + 500}-{rest}"))
    UploadRecords(layout.uploads).note(WatchedUpload(str(file), since, since + 1))
    return file
