"""A live camera's index has small pictures of what changed: few, within a bound, none of what was forgotten."""

import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignment.aligners.similarity import SimilarityAligner
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.events.evidence import EvidenceStore
from workers.index.erasing import erase
from workers.index.reader import IndexReader
from workers.index.shard import Shard
from workers.index.thumbnails import picture_at, thumbnail_of
from workers.items import FrameAnswer
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.pushed import PushedSource
from workers.stream.pipeline import StreamPipeline
from workers.stream.thumbnails import BYTES_A_DAY, MOST, Thumbnails
from workers.types import CameraSpec, ClipOptions, EventSpec, FrameBatch, SourceInfo

pytestmark = pytest.mark.timeout(60)
T = 1_790_000_000.0
SHOWN = ["grey"] * 40 + ["green"] * 8 + ["grey"] * 30 + ["red"] * 2 + ["blue"] * 20


class Live(PushedSource):
    """Pushed frames that count as those of a live camera."""

    def open(self) -> SourceInfo:
        return replace(super().open(), live=True)


def recorded(folder: Path, source: type[PushedSource] = Live, unusual: bool = True) -> Shard:
    """Show a second of each colour; return the shard of the index, of which ``SHOWN`` was recorded."""
    encoder = ColourEncoder()
    camera = CameraSpec("cam", RedactedUrl("rtsp://10.0.0.5/1"), audio=False)
    settings = ServiceSettings(state_dir=folder, clips=ClipOptions(unusual=unusual))
    state = StateService.of(settings)
    pushed = source(camera, encoder.describe().frame_spec)
    aligner = SimilarityAligner(encoder.describe().calibration)
    services = services_of(encoder, MemorySink(), state=state)
    stream = StreamPipeline(camera, (EventSpec("red", ("red",)),), pushed, aligner, services, settings)
    running = threading.Thread(target=stream.run)
    running.start()
    noise = np.random.default_rng(0)
    for n, name in enumerate(SHOWN):
        colour = np.full((180, 320, 3), COLOURS[name]) + noise.integers(-9, 10, (180, 320, 3))
        pushed.push(np.clip(colour, 0, 255).astype(np.uint8), T + n)
    pushed.end()
    running.join(30)
    state.close(10)
    (shard,) = IndexReader(folder / "index").shards({"cam"})
    return shard


def times(shard: Shard) -> list[float]:
    return [float(t) - T for t in shard.t[shard.columns["picture_bytes"] > 0]]


def colour_at(shard: Shard, t: float) -> tuple[tuple[int, int], str]:
    """Return the size and the colour of a thumbnail."""
    content = picture_at(shard, T + t)
    assert content is not None
    picture = Image.open(BytesIO(content))
    shown = np.asarray(picture.convert("RGB"), np.float64).mean(axis=(0, 1))
    return picture.size, min(COLOURS, key=lambda name: float(np.abs(shown - COLOURS[name]).sum()))


def test_a_picture_is_kept_when_the_picture_has_changed(tmp_path: Path) -> None:
    shard = recorded(tmp_path)
    assert times(shard) == [0.0, 40.0, 48.0, 78.0, 81.0]  # blue began a second after another was kept
    assert [colour_at(shard, t)[1] for t in times(shard)] == ["grey", "green", "grey", "red", "blue"]
    assert colour_at(shard, 40.0)[0] == (160, 160)  # as the model sees it
    assert picture_at(shard, T + 41) is None
    assert shard.columns["picture_bytes"].max() < 4096


def test_a_moment_is_shown_by_a_picture_of_the_same(tmp_path: Path) -> None:
    shard = recorded(tmp_path)
    assert thumbnail_of(shard, T + 39.5, T + 47.5, T + 43) == T + 40
    assert thumbnail_of(shard, T + 60, T + 70, T + 65) == T + 48  # nothing has changed since
    assert thumbnail_of(shard, T + 41, T + 60, T + 43) == T + 48  # begins late: of all that it shows one is kept
    assert thumbnail_of(shard, T + 80, T + 80.5, T + 80) is None  # it has changed, and none was kept then
    assert thumbnail_of(shard, T - 20, T - 10, T - 15) is None


@pytest.mark.parametrize(("source", "unusual"), [(PushedSource, True), (Live, False)], ids=["a file", "switched off"])
def test_none_is_kept_of_files_or_where_it_is_switched_off(
    tmp_path: Path, source: type[PushedSource], unusual: bool
) -> None:
    shard = recorded(tmp_path, source, unusual)
    assert len(shard.t) == len(SHOWN)
    assert not shard.columns["picture_bytes"].any()
    assert not len(shard.columns["picture"])


def test_what_is_forgotten_takes_its_pictures_along(tmp_path: Path) -> None:
    shard = recorded(tmp_path)
    erase(shard.path, T + 39, T + 50)
    (left,) = IndexReader(tmp_path / "index").shards({"cam"})
    assert times(left) == [0.0, 78.0, 81.0]
    assert [colour_at(left, t)[1] for t in times(left)] == ["grey", "red", "blue"]
    assert thumbnail_of(left, T + 60, T + 70, T + 65) == T  # the grey one from before


def frames(n: int, rng: np.random.Generator) -> tuple[FrameBatch, FrameAnswer]:
    pictures = rng.integers(0, 256, (1, 256, 448, 3)).astype(np.uint8)  # noise: no picture is larger as JPEG
    batch = FrameBatch("cam", 0, np.zeros(1), np.array([T + n]), pictures)
    return batch, FrameAnswer(0, batch.pts_s, rng.normal(size=(1, 16)).astype(np.float32))


def test_a_camera_that_never_rests_keeps_no_more_than_its_share() -> None:
    store, rng = EvidenceStore(StateService(), "cam"), np.random.default_rng(0)
    chosen, sizes = Thumbnails(store), list[int]()
    for n in range(0, 7200, 4):
        batch, item = frames(n, rng)
        store.keep(batch)
        sizes.append(int(chosen.of(item)["picture_bytes"].sum()))
    largest = max(sizes)
    assert 0 < sum(sizes) <= 100 * 1024 + 2 * BYTES_A_DAY / 24 + largest
    assert max(sizes) < 65_536
    assert MOST < BYTES_A_DAY
