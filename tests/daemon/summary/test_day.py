"""A day from a real event log, real clips and a real index: what is told, what is left out, what the video shows."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from daemon.summary.day import NO_INDEX, Span, summarise_day
from daemon.summary.documents import day_document, day_lines
from daemon.summary.footage import footage_of
from daemon.summary.video import joined
from tests.support.events import make_event
from tests.support.recorded.index import TAPE
from tests.support.recorded.summary import index_frames, live_clip, live_event, log_events, usual_rows
from tests.support.videos.recording import shown
from workers.errors import ClipUnavailable
from workers.events.folder import EvidenceFolder
from workers.index.reader import IndexReader
from workers.publish.log.view import LogView
from workers.sources.clips.joining import Order
from workers.state_layout import StateLayout

T = 1_790_000_000.0  # the beginning of the day
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def layout(tmp_path: Path) -> StateLayout:
    return StateLayout(tmp_path / "state")


def test_events_of_the_day_their_counts_and_the_strange_moment(layout: StateLayout) -> None:
    log_events(
        layout,
        [
            live_event(1, T - 100),  # the day before
            live_event(2, T + 100, event="cat"),
            make_event(5, camera="uploads", source={"file": "a.mp4", "name": "a.mp4", "sha256": None, "duration": 9.0}),
            live_event(3, T + 2000, event="cat", over_budget=True),
            live_event(4, T + 3000, camera="yard", event="dog"),
            live_event(6, T + 90_000),  # the day after
        ],
    )
    door = replace(TAPE, camera="door")
    index_frames(layout, usual_rows(1800, slice(900, 908)), T + np.arange(1800.0), door)
    index_frames(layout, usual_rows(1800, slice(0, 0), seed=1), T + 1800 + np.arange(1800.0), door, is_open=True)
    found = summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 86_400))
    assert [(c.name, c.events, bool(c.curve)) for c in found.cameras] == [("door", 2, True), ("yard", 1, False)]
    assert [(r.event, r.count, r.over_budget, r.cameras) for r in found.rules] == [
        ("cat", 2, 1, ("door",)),
        ("dog", 1, 0, ("yard",)),
    ]
    (strange,) = [m for m in found.moments if not m.events]
    assert (strange.camera, strange.best) == ("door", pytest.approx(T + 904, abs=4))
    assert [m.best for m in found.moments] == sorted(m.best for m in found.moments)
    assert [(f.file, f.events) for f in found.files] == [("a.mp4", 1)]
    only = summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 86_400, frozenset({"yard"})))
    assert ([c.name for c in only.cameras], only.files, only.notes) == (["yard"], (), (NO_INDEX,))


def test_what_the_camera_showed_the_day_before_is_known(layout: StateLayout) -> None:
    index_frames(layout, usual_rows(1800, slice(0, 600), seed=2), T - 3000 + np.arange(1800.0), TAPE)
    index_frames(layout, usual_rows(1800, slice(900, 908)), T + np.arange(1800.0), TAPE)
    log, index = LogView(layout.event_log), IndexReader(layout.index)
    assert summarise_day(log, index, Span(T, T + 3600)).moments == ()
    other = replace(TAPE, camera="other")
    index_frames(layout, usual_rows(1800, slice(900, 908)), T + np.arange(1800.0), other)
    assert [m.camera for m in summarise_day(log, index, Span(T, T + 3600)).moments] == ["other"]


def test_frames_of_another_model_are_left_out_and_that_is_said(layout: StateLayout) -> None:
    old = replace(TAPE, encoder="lite/old@1", key="other")
    index_frames(layout, usual_rows(200, slice(0, 0)), T + np.arange(200.0), old)
    index_frames(layout, usual_rows(300, slice(100, 106)), T + 400 + np.arange(300.0), TAPE)
    found = summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 3600))
    assert [m.best for m in found.moments] == [pytest.approx(T + 503, abs=3)]
    assert found.notes == ("cam: 200 frames were seen by another model and are left out",)


def test_the_video_shows_the_moments_by_the_cameras_own_packets(layout: StateLayout, tmp_path: Path) -> None:
    folder = layout.evidence / "door" / "2026-09-21"
    first = live_clip(folder, "first", T + 100)
    later = live_clip(folder, "later", T + 500)
    yard = live_clip(layout.evidence / "yard" / "2026-09-21", "yard", T + 300, size=(128, 96))
    log_events(
        layout,
        [
            live_event(1, T + 102, clip=first),
            live_event(2, T + 504, clip=later),
            live_event(3, T + 303, camera="yard", clip=yard),
            live_event(4, T + 700, clip=folder / "gone.mp4"),
            live_event(5, T + 800, clip=tmp_path / "elsewhere.mp4"),
        ],
    )
    found = summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 86_400))
    assert len(found.moments) == 5
    footage = footage_of(found, EvidenceFolder(layout.evidence))
    assert [one.event.id for one in footage] == ["0001cafe", "0003cafe", "0002cafe"]
    assert footage[0].at == pytest.approx(1.0, abs=0.1)  # a second before the event
    with joined(Order(tuple(one.part for one in footage))) as videos:
        assert [[s.part for s in video.shown] for video in videos] == [[0, 2], [1]]
        numbers = [number for _, number in shown(videos[0].path.read_bytes())]
    split = next(i for i, (a, b) in enumerate(pairwise(numbers)) if b != a + 1) + 1
    assert (numbers[0], numbers[split]) == (10, 30)  # key frames a second before each event
    assert {20, 30, 50} <= set(numbers[:split])
    assert {40, 50, 70} <= set(numbers[split:])
    document = day_document(found, EvidenceFolder(layout.evidence))
    clips = [moment["clip"] and moment["clip"]["event"] for moment in document["moments"]]
    assert clips == ["0001cafe", "0003cafe", "0002cafe", None, None]
    assert any("door: cat" in line for line in day_lines(found))


def test_a_moment_without_an_event_has_the_picture_that_the_camera_kept(layout: StateLayout) -> None:
    index_frames(layout, usual_rows(600, slice(300, 308)), T + np.arange(600.0), TAPE)
    folder = layout.evidence / "cam" / "2026-09-21"
    folder.mkdir(parents=True)
    for at in (250.0, 303.25, 340.0):
        (folder / f"unusual-{round((T + at) * 1000)}.jpg").write_bytes(b"jpeg")
    found = summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 600))
    (moment,) = day_document(found, EvidenceFolder(layout.evidence))["moments"]
    assert (moment["picture"], moment["thumbnail"]) == (T + 303.25, None)


def test_or_the_thumbnail_of_the_index(layout: StateLayout) -> None:
    kept = {T + at: b"jpeg" for at in (250.0, 304.0, 340.0)}
    index_frames(layout, usual_rows(600, slice(300, 308)), T + np.arange(600.0), TAPE, thumbnails=kept)
    found = summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 600))
    (moment,) = day_document(found, EvidenceFolder(layout.evidence))["moments"]
    (shard,) = IndexReader(layout.index).shards()
    assert (moment["picture"], moment["thumbnail"]) == (None, {"key": shard.info.tape.key, "at": T + 304})


def test_without_any_clip_there_is_no_video_and_the_error_says_so(layout: StateLayout) -> None:
    with pytest.raises(ClipUnavailable, match="no clip of these moments"), joined(Order(())):
        pass
    assert list(day_lines(summarise_day(LogView(layout.event_log), IndexReader(layout.index), Span(T, T + 9))))[1:] == [
        "nothing is recorded of live cameras in that time",
        f"note: {NO_INDEX}",
    ]
