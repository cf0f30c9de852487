"""Snapshots with overlay and in several sizes, clips for browsers that cannot play them, evidence elsewhere."""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.daemon.api.conftest import Serve, Served
from tests.support.events import make_event


def event_with(served: Served, number: int = 1, **evidence: Any) -> str:
    fields = make_event().evidence.model_dump(mode="json") | evidence
    event = make_event(number, evidence=fields)
    served.log.append([event])
    return event.id


def jpeg(path: Path, size: tuple[int, int] = (1280, 720)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "#404040").save(path, quality=90)
    return path


def opened(answer: Any) -> Image.Image:
    assert answer.status_code == 200
    return Image.open(BytesIO(answer.content)).convert("RGB")


def test_a_snapshot_with_the_boxes_or_without_and_as_small_as_is_wanted(serve: Serve) -> None:
    served = serve()
    path = jpeg(served.layout.evidence / "door" / "2026-01-01" / "cat-1.jpg")
    seen = {"time": 2.5, "name": "cat", "score": 0.9, "box": [0.25, 0.25, 0.75, 0.75]}
    event = event_with(served, snapshot=str(path), snapshot_time=2.5, objects=[seen])
    client = served.client()
    plain, drawn = (opened(client.get(f"events/{event}/snapshot.jpg?overlay={flag}")) for flag in (0, 1))
    assert client.get(f"events/{event}/snapshot.jpg?overlay=0").content == path.read_bytes()
    assert max(np.ptp(np.asarray(plain)[:, x].astype(int)) for x in range(315, 326)) < 8
    assert max(np.ptp(np.asarray(drawn)[:, x].astype(int)) for x in range(315, 326)) > 80  # the left side of the box
    assert opened(client.get(f"events/{event}/snapshot.jpg?overlay=0&width=300")).size == (320, 180)
    assert opened(client.get(f"events/{event}/snapshot.jpg?overlay=1&width=5000")).size == (1280, 720)
    tags = {
        client.get(f"events/{event}/snapshot.jpg?{q}").headers["etag"] for q in ("overlay=0", "overlay=1", "width=9")
    }
    assert len(tags) == 3
    before = client.get(f"events/{event}/snapshot.jpg").headers["etag"]
    jpeg(path, (640, 360))  # the full frame has taken the place of the first one
    after = client.get(f"events/{event}/snapshot.jpg", headers={"if-none-match": before})
    assert (after.status_code, opened(after).size) == (200, (640, 360))
    assert (
        client.get(f"events/{event}/snapshot.jpg", headers={"if-none-match": after.headers["etag"]}).status_code == 304
    )


def video(path: Path, frames: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as media:
        stream = media.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(frames):
            media.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        media.mux(stream.encode())
    return path


@pytest.mark.process
def test_a_clip_is_transcoded_once_for_all_parts_that_a_browser_asks_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    path = video(served.layout.evidence / "door" / "2026-01-01" / "cat-1.mp4")
    url = f"events/{event_with(served, clip=str(path))}/clip.mp4?transcode=1"
    client = served.client()
    answer = client.get(url)
    with av.open(BytesIO(answer.content)) as media:
        assert media.streams.video[0].codec_context.name == "h264"
    monkeypatch.setattr(sys, "executable", "false")
    part = client.get(url, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert client.get(url, headers={"range": "bytes=-10"}).content == answer.content[-10:]
    assert client.get(url, headers={"range": "bytes=99999999-"}).status_code == 416
    other = video(path.with_name("cat-2.mp4"))
    failed = client.get(f"events/{event_with(served, 2, clip=str(other))}/clip.mp4?transcode=1")
    assert (failed.status_code, failed.json()["error"]) == (503, "transcoding_failed")
    path.unlink()  # it was forgotten: what was made of it is as well
    assert client.get(url).json()["error"] == "clip_not_ready"


def test_evidence_that_lies_elsewhere_is_fetched_from_there(serve: Serve, tmp_path: Path) -> None:
    remote = tmp_path / "far away"
    served = serve(evidence={"where": f"file://{remote}"})
    folder = "door/2026-01-01"
    jpeg(remote / folder / "cat-1.jpg")
    (remote / folder / "cat-1.mp4").write_bytes(bytes(range(100)))
    base = served.store.read()[0].evidence_folder()
    assert base.remote is not None
    names: dict[str, Any] = {"snapshot": "cat-1.jpg", "clip": "cat-1.mp4"}
    event = event_with(served, 1, **{key: base.location(f"{folder}/{name}") for key, name in names.items()})
    client = served.client()
    assert opened(client.get(f"events/{event}/snapshot.jpg")).size == (1280, 720)
    assert client.get(f"events/{event}/clip.mp4").content == bytes(range(100))
    assert client.get(f"events/{event}/clip.mp4", headers={"range": "bytes=5-6"}).content == b"\x05\x06"
    missing = event_with(served, 2, clip=base.location(f"{folder}/cat-2.mp4"))
    assert client.get(f"events/{missing}/clip.mp4").json()["error"] == "clip_not_ready"
