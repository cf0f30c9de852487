"""Frames of events that a stream keeps for a second opinion: spread over the event, and with hidden what is hidden."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignment.aligners.explanation import Explanation, SeenObject
from alignment.aligners.similarity import SimilarityAligner
from alignment.errors import FeatureError
from alignment.types import Span, SpanChangeType
from tests.support.streams.pipelines import ColourEncoder, MemorySink, services_of, write_colours
from tests.support.videos.media import faces_in, make_portrait
from workers.decisions.frames import FrameKeeper
from workers.events.evidence import KEEP_FRAMES, EvidenceStore
from workers.events.explain_picture import ExplanationCard
from workers.events.kept_frames import MOST, KeptFrame, frames_of, pack_frames, span_of
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.factory import build_source
from workers.state_layout import StateLayout
from workers.stream.pipeline import StreamPipeline
from workers.types import CameraSpec, ClipOptions, EventSpec, FrameBatch, FrameSpec

ANYTHING = EventSpec("anything", ("red",), threshold=1e-6, keep_frames=True)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def picture(frame: KeptFrame) -> np.ndarray:
    with Image.open(BytesIO(frame.jpeg)) as opened:
        return np.asarray(opened.convert("RGB"))


def watch(folder: Path, video: Path, *events: EventSpec, **changes: Any) -> dict[str, tuple[KeptFrame, ...]]:
    """Watch a video to its end; return what is kept of each event, by its id."""
    encoder, sink, settings = (
        ColourEncoder(),
        MemorySink(),
        ServiceSettings(state_dir=folder, clips=ClipOptions(enabled=False)),
    )
    encoder._encoder.frame_spec = FrameSpec(224, 224, "crop")
    camera, services = CameraSpec("door", RedactedUrl(str(video)), **changes), services_of(encoder, sink)
    services = replace(services, state=StateService.of(settings))
    source = build_source(camera, encoder.describe().frame_spec)
    aligner = SimilarityAligner(encoder.describe().calibration)
    StreamPipeline(camera, events, source, aligner, services, settings).run()
    kept = StateLayout(folder).verification_frames / "door"
    return {event.id: frames_of(kept / f"{event.id}.safetensors") for event in sink.events}


def test_frames_lie_in_the_event_and_only_events_that_may_be_seen_have_some(tmp_path: Path) -> None:
    video = write_colours(tmp_path / "a.mp4", [("grey", 6), ("red", 12), ("grey", 6)])
    red = EventSpec("red", ("red",), keep_frames=True)
    ((frames,), none) = (
        watch(tmp_path / f"{n}", video, e).values() for n, e in enumerate((red, EventSpec("r", ("red",))))
    )
    assert list(none) == [()]
    assert len(frames) == MOST
    times = [frame.t for frame in frames]
    assert times == sorted(set(times))
    assert 5 <= times[0] <= 7.5
    assert 16.5 <= times[-1] <= 19
    assert max(np.diff(times)) <= 4
    assert sum(picture(f)[:, :, 0].mean() > 1.5 * picture(f)[:, :, 1].mean() for f in frames) >= MOST - 2


def test_masks_and_hidden_faces_are_hidden_in_what_is_kept(tmp_path: Path) -> None:
    video = make_portrait(tmp_path / "portrait.mp4", 3)
    (shown,) = watch(tmp_path / "shown", video, ANYTHING).values()
    (hidden,) = watch(tmp_path / "hidden", video, ANYTHING, blur_faces=True).values()
    (masked,) = watch(tmp_path / "masked", video, ANYTHING, masks=(LEFT,)).values()
    assert faces_in(picture(shown[-1])) == 1
    assert len(hidden) == len(masked) == len(shown)
    assert not any(faces_in(picture(frame)) for frame in hidden)
    assert max(picture(frame)[:, 120:].max() for frame in masked) < 12  # what JPEG makes of black
    assert min(picture(frame)[:, :104].max() for frame in masked) > 200


class Kept:
    """A camera with frames a second, and what is kept of its one event."""

    def __init__(self, folder: Path) -> None:
        self.state = StateService(layout=StateLayout(folder))
        self.path = StateLayout(folder).verification_frames / "cam" / "a.safetensors"
        self.store = EvidenceStore(self.state, "cam")
        self.keeper, self.seen = FrameKeeper(self.state, self.store), 0

    def change(self, kind: SpanChangeType, end: int, best: tuple[tuple[float, float], ...] = (), *objects: Any) -> None:
        t = np.arange(self.seen, end + 2, dtype=np.float64)
        frames = np.broadcast_to((t % 50 * 5).astype(np.uint8)[:, None, None, None], (len(t), 32, 32, 3))
        self.store.keep(FrameBatch("cam", 0, t, t, np.ascontiguousarray(frames)))
        self.seen = end + 2
        span = Span("e", 10.0, end, 0.9, kind != "end", (1.0, 0.0, 0.0), ())
        why = Explanation((), (), best, objects)
        self.keeper.keep("a", ExplanationCard("cam", True, EventSpec("e", ("e",)), span, why, ()), kind)

    @property
    def times(self) -> list[float]:
        return [frame.t for frame in frames_of(self.path)]


def test_an_event_that_outlasts_the_memory_of_frames_keeps_some_of_all_its_time(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.change("new", 12)
    assert kept.times == [9, 10, 11, 12, 13]
    length = 5 * KEEP_FRAMES
    for end in range(13, length):
        kept.change("update", end)
    assert kept.times == [9, 10, 11, 12, 13], "written when it opens and when it ends"
    kept.change("end", length)
    assert len(kept.times) == MOST
    assert (kept.times[0], kept.times[-1]) == (9, length + 1)
    assert max(np.diff(kept.times)) < length / 3
    assert span_of(kept.path.read_bytes()) == (9, length + 1)
    before = kept.times
    kept.change("update", length + 500)  # a late transcript: the event is over
    assert kept.times == before


def test_the_best_moments_are_kept_with_what_was_detected_there(tmp_path: Path) -> None:
    kept, box = Kept(tmp_path), (0.1, 0.2, 0.3, 0.4)
    kept.change("new", 12, ((11.0, 0.9),), SeenObject(11.0, 0, 0.9, box), SeenObject(12.0, 0, 0.9, (0, 0, 1, 1)))
    kept.change("end", 60, ((40.5, 0.99), (33.0, 0.9), (11.0, 0.8)), SeenObject(40.5, 3, 0.9, box))
    found = {frame.t: frame for frame in frames_of(kept.path)}
    assert {11.0, 33.0, 40.0} <= found.keys()
    assert {t for t, frame in found.items() if frame.boxes} == {40.0, 11.0}
    assert found[40.0].boxes == (pytest.approx(box),)
    assert picture(found[40.0])[0, 0] == pytest.approx(40 * 5, abs=2)


def test_damaged_files_are_errors_and_missing_ones_none(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert frames_of(path) == ()
    path.write_bytes(pack_frames([KeptFrame(1.5, b"jpeg", ((0, 0, 1, 1),))], {}))
    assert frames_of(path) == (KeptFrame(1.5, b"jpeg", ((0, 0, 1, 1),)),)
    assert span_of(path.read_bytes()) is None
    for content in (b"", path.read_bytes()[:-20], path.read_bytes().replace(b"times", b"Times")):
        path.write_bytes(content)
        with pytest.raises(FeatureError, match="kept frames of an event"):
            frames_of(path)
