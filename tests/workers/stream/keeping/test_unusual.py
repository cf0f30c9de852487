"""Of what is unlike the usual a live camera keeps a picture, a file none; few, and none of what was forgotten."""

import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignment.aligners.similarity import SimilarityAligner
from tests.support.streams.pipelines import COLOURS, ColourEncoder, MemorySink, services_of
from workers.events.erasures import Erasures, Scope
from workers.events.evidence import EvidenceStore
from workers.items import FrameAnswer
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings
from workers.services.state import StateService
from workers.sources.pushed import PushedSource
from workers.stream.pipeline import StreamPipeline
from workers.stream.unusual import BURST, UnusualMoments
from workers.time_note import read_note
from workers.types import CameraSpec, ClipOptions, EventSpec, FrameBatch, SourceInfo

pytestmark = pytest.mark.timeout(60)
T = 1_790_000_000.0
D = 16


class Live(PushedSource):
    """Pushed frames that count as those of a live camera."""

    def open(self) -> SourceInfo:
        return replace(super().open(), live=True)


def watch(folder: Path, source: type[PushedSource], **options: Any) -> list[Path]:
    """Show grey for minutes, green for five seconds, and grey again; return the pictures that are kept."""
    encoder = ColourEncoder()
    camera = CameraSpec("cam", RedactedUrl("rtsp://10.0.0.5/1"), audio=False)
    settings = ServiceSettings(pictures=folder, clips=ClipOptions(**options))
    pushed = source(camera, encoder.describe().frame_spec)
    services = services_of(encoder, MemorySink(), state=StateService.of(settings))
    aligner = SimilarityAligner(encoder.describe().calibration)
    stream = StreamPipeline(camera, (EventSpec("red", ("red",)),), pushed, aligner, services, settings)
    noise = np.random.default_rng(0)
    running = threading.Thread(target=stream.run)
    running.start()
    for n in range(450):
        colour = COLOURS["green"] if 400 <= n < 405 else COLOURS["grey"]
        frame = np.clip(np.full((48, 64, 3), colour) + noise.integers(-9, 10, (48, 64, 3)), 0, 255).astype(np.uint8)
        pushed.push(frame, T + n)
    pushed.end()
    running.join(30)
    return sorted(folder.rglob("unusual-*.jpg"))


def test_a_live_camera_keeps_the_picture_of_a_strange_moment(tmp_path: Path) -> None:
    (picture,) = watch(tmp_path, Live)
    assert picture.parent == tmp_path / "cam" / "2026-09-21"
    at = int(picture.stem.removeprefix("unusual-")) / 1000
    assert T + 400 <= at < T + 405
    content = picture.read_bytes()
    assert read_note(content) == (at, at)
    red, green, blue = np.asarray(Image.open(BytesIO(content))).reshape(-1, 3).mean(axis=0)
    assert green > red + 50
    assert green > blue + 50


def test_a_file_keeps_none_and_a_camera_none_if_so_configured(tmp_path: Path) -> None:
    assert watch(tmp_path / "file", PushedSource) == []
    assert watch(tmp_path / "off", Live, unusual=False) == []


def strange_moments(count: int, state: StateService) -> None:
    """Show so many strange moments, each unlike all others, one a minute."""
    frames = EvidenceStore(state, "cam")
    unusual = UnusualMoments("cam", frames, state)
    random = np.random.default_rng(0)
    usual = random.normal(size=D)
    t = T
    for n in range(500 + 60 * count):
        strange = n >= 500 and n % 60 < 4
        row = random.normal(size=D) * 10 if strange else usual + 0.05 * random.normal(size=D)
        batch = FrameBatch("cam", 0, np.array([t]), np.array([t]), np.zeros((1, 8, 8, 3), np.uint8))
        frames.keep(batch)
        unusual.take(FrameAnswer(0, batch.pts_s, row[None].astype(np.float32)))
        t += 1.0


def test_many_strange_moments_leave_few_pictures(tmp_path: Path) -> None:
    strange_moments(40, StateService(tmp_path))
    kept = len(list(tmp_path.rglob("*.jpg")))
    assert BURST <= kept <= BURST + 40 * 60 / 300 + 1


def test_nothing_is_kept_of_what_was_forgotten(tmp_path: Path) -> None:
    erasures = Erasures(tmp_path / "erasures.jsonl")
    erasures.add(Scope("cam", T, T + 10_000), ())
    strange_moments(3, StateService(tmp_path / "pictures", erasures=tmp_path / "erasures.jsonl"))
    assert list((tmp_path / "pictures").rglob("*.jpg")) == []
