"""The bundled sample through the daemon's own pipeline, kept; and what ``eval`` makes of it, plots included."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from skimage import data

from alignment.errors import FeatureError
from alignment.search.feature_file import load_features
from daemon.commands.learning.evaluate import Request, print_table, run
from daemon.config import config_from
from daemon.offline.extraction import Extractor
from daemon.offline.pictures import load_picture
from daemon.offline.runner import OfflineSettings
from daemon.offline.tagging import offline_settings
from tests.support.streams.pipelines import cut_sample
from tests.support.videos.media import faces_in, make_portrait, make_video
from workers.errors import SourceInvalid
from workers.types import EventSpec, FrameSpec

pytest.importorskip("efficientnet_lite_pytorch", reason="the lite profile is not installed")

SECONDS = 34  # of the sample: two things are seen, two are said
SAMPLE = Path(__file__).resolve().parents[3] / "daemon" / "sample"
pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor(OfflineSettings()) as opened:
        yield opened


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_sample(tmp_path_factory.mktemp("videos") / "sample.mp4", SECONDS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features") / "cache"


def silent(*_: Any) -> None:
    """Show no progress."""


def frame_at(second: float) -> Image.Image:
    with av.open(str(SAMPLE / "sample.mp4")) as media:
        return next(f for f in media.decode(video=0) if f.time is not None and f.time >= second).to_image()


def test_features_are_what_the_pipeline_saw_and_heard_and_are_kept(
    extractor: Extractor, cache: Path, tmp_path: Path
) -> None:
    video = cut_sample(tmp_path / "begin.mp4", 12)
    (tmp_path / "bad.mp4").write_text("no video")
    positions: list[float] = []
    files = [tmp_path / "bad.mp4", video, tmp_path / "absent.mp4"]
    bad, good, absent = extractor.extract(files, cache, lambda path, position, duration: positions.append(position))
    assert isinstance(bad.error, SourceInvalid)
    assert isinstance(absent.error, FeatureError)
    assert (bad.features, absent.features, good.error) == (None, None, None)
    assert positions[-1] > 10
    features = good.features
    assert features is not None
    assert (features.video, features.encoder, features.hop_s) == ("begin", extractor.description.info.id, 1.0)
    assert features.duration_s == pytest.approx(12, abs=1)
    assert features.window.frames.shape == (np.ceil(features.duration_s), extractor.description.dims[0])
    assert features.window.frame_mask.all()
    assert features.window.sound_mask.any()
    said = " ".join(features.texts).lower()
    assert "parcel" in said
    (kept,) = cache.iterdir()
    assert load_features(kept).texts == features.texts


def test_a_known_content_is_not_watched_again_unless_its_file_is_damaged(extractor: Extractor, tmp_path: Path) -> None:
    videos, cache = [make_video(tmp_path / name, [0, 500, 1000, 1500]) for name in ("a.mp4", "b.mp4")], tmp_path / "c"
    watched: list[Path] = []
    first, second = extractor.extract(videos, cache, lambda path, *_: watched.append(path))
    assert set(watched) == {videos[0]}
    assert first.features is not None
    assert second.features is not None
    assert (first.features.video, second.features.video) == ("a", "b")
    np.testing.assert_array_equal(first.features.window.frames, second.features.window.frames)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    (anew,) = extractor.extract(videos[1:], cache, lambda path, *_: watched.append(path))
    assert set(watched) == set(videos)
    assert anew.features is not None
    np.testing.assert_array_equal(load_features(kept).window.frames, anew.features.window.frames)


@pytest.mark.long
def test_what_is_decided_on_is_what_was_extracted(extractor: Extractor, cache: Path) -> None:
    (item,) = extractor.extract([SAMPLE / "sample.mp4"], cache, silent)
    result, recording = extractor.watch(SAMPLE / "sample.mp4", (EventSpec("cat", ("a cat",)),), silent)
    assert item.features is not None
    assert recording is not None
    was, now = item.features.window.frames, recording.features.window.frames
    np.testing.assert_allclose(now, was, atol=1e-6)  # passes of other sizes round differently
    assert list(recording.queries) == ["cat"]
    p, bounds = recording.scores["cat"], recording.features.window.bounds
    assert result.events
    for event in result.events:
        inside = (bounds[:, 0] >= event.start) & (bounds[:, 1] <= event.end)
        assert event.score == pytest.approx(np.sort(p[inside])[-3:].mean(), abs=1e-3)
    assert set(recording.alerts) == {e.id for e in result.events}
    delays = [recording.alerts[e.id] - e.start for e in result.events]
    assert all(1 <= delay <= 6 for delay in delays)  # an event lasts a second, and smoothing needs one more clip


def test_faces_are_hidden_in_files_as_they_are_in_cameras(extractor: Extractor, tmp_path: Path) -> None:
    """Where the configuration says so: in pictures of events, and in features, which are not those of shown faces."""
    portrait, cache = make_portrait(tmp_path / "portrait.mp4", 4), tmp_path / "cache"
    face = EventSpec("suit", ("a person in a suit",), modalities=("vision",), threshold=0.01)
    asked = {"events": {"suit": {"describe": "a suit"}}, "privacy": {"blur_faces": True}}
    (found,) = extractor.extract([portrait], cache, silent)
    with Extractor(replace(offline_settings(config_from(asked, tmp_path), None), pictures=tmp_path)) as careful:
        (kept,) = careful.extract([portrait], cache, silent)
        careful.watch(portrait, (face,), silent)
    assert found.features is not None
    assert kept.features is not None
    assert np.abs(found.features.window.frames - kept.features.window.frames).max() > 0.01
    (snapshot,) = tmp_path.glob("*/*/*.jpg")
    with Image.open(snapshot) as picture:
        assert faces_in(np.asarray(picture)) == 0
        assert faces_in(np.asarray(Image.fromarray(data.astronaut()).resize(picture.size))) == 1


def test_eval_tells_and_draws_decisions_trust_and_search(
    extractor: Extractor, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[dict[str, Any]] = json.loads((SAMPLE / "timeline.json").read_text())
    for row in rows:
        row["relevant_windows"] = [w for w in row["relevant_windows"] if w[1] < SECONDS]
        row["duration"] = SECONDS
    cat = next(r for r in rows if "cat" in r["query"])
    frame_at(cat["relevant_windows"][0][0] + 2).save(tmp_path / "cat.png")
    cat["image"] = "cat.png"
    annotations = tmp_path / "a.jsonl"
    annotations.write_text("".join(json.dumps(r) + "\n" for r in rows))
    request = Request(annotations, video.parent, None, None, tmp_path / "plots")
    document = run(request, lambda: nullcontext(extractor))
    assert document["overall"]["tIoU@0.5"]["f1"] > 0.8
    starts = document["overall"]["start_detection"]
    assert starts["SR@1(-2s,+5s)"] == 0.5  # the things; a sentence has ended when it is told
    trust = document["calibration"]
    assert trust["events"]["n"] == document["overall"]["n_pred"]
    assert trust["seconds"]["n"] == sum(int(r["duration"]) for r in rows)
    assert 0 < trust["seconds"]["ece"] < 0.2
    searches = document["retrieval"]
    assert set(searches) == {"text", "spoken", "image"}
    assert searches["text"]["R1@0.5"] > 0.7
    assert searches["spoken"]["R5@0.5"] >= 0.5
    assert searches["image"] | {"n_queries": 1, "R1@0.5": 1.0} == searches["image"]
    print_table(document)
    shown = capsys.readouterr().out
    assert "expected calibration error of" in shown
    assert "spoken" in shown
    assert "SR@1 -2/+5 s" in shown
    drawn = sorted(p.name for p in (tmp_path / "plots").glob("*.png"))
    assert drawn == ["precision_recall.png", "reliability.png", "thresholds.png", "timelines_sample.png"]
    page = (tmp_path / "plots" / "index.html").read_text()
    assert sorted(re.findall(r'src="([^"]+)"', page)) == drawn
    assert not list((tmp_path / "plots").glob(".*"))


def test_a_picture_is_cut_as_frames_are(tmp_path: Path) -> None:
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = (250, 10, 10)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    cropped = load_picture(tmp_path / "wide.png", FrameSpec(16, 16, "crop"))
    assert cropped.shape == (16, 16, 3)
    assert (cropped[:, :, 0] > 200).all()
    squashed = load_picture(tmp_path / "wide.png", FrameSpec(16, 16, "squash"))
    assert (squashed[:, 0, 0] < 20).all()
    whole = load_picture(tmp_path / "wide.png", FrameSpec(32, 32, "whole"))
    assert whole.shape == (32, 64, 3)
    assert (whole[:, [0, -1], 0] < 20).all()
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SourceInvalid, match=r"text\.png is not an image"):
        load_picture(tmp_path / "text.png", FrameSpec(16, 16, "crop"))
