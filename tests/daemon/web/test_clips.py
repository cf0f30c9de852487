"""What events leave plays in a browser, and can be sought in: copied from the stream, or encoded again."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.page import WAIT_MS
from tests.support.videos.media import make_video
from tests.support.videos.recording import recorded, spec
from workers.sources.clips.making import make_clip

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]
PLAYED = """async (seconds) => {
    const video = document.querySelector("video");
    const once = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true });
        video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
    });
    if (video.readyState < 4) await once("canplaythrough");
    const canvas = document.createElement("canvas");
    const columns = [];
    for (const second of seconds) {
        video.currentTime = second;
        await once("seeked");
        canvas.width = video.videoWidth; canvas.height = video.videoHeight;
        canvas.getContext("2d").drawImage(video, 0, 0);
        const row = canvas.getContext("2d").getImageData(0, canvas.height / 4, canvas.width, 1).data;
        columns.push(Array.from({ length: 8 }, (_, bit) => row[4 * Math.floor((bit + 0.5) * canvas.width / 8)]));
    }
    video.currentTime = 0;
    await video.play();
    await once("ended");
    return { columns, duration: video.duration, heard: video.webkitAudioDecodedByteCount };
}"""


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "masks"),
    [
        ("libx264", "yuv420p", ()),
        ("mjpeg", "yuvj420p", ()),
        ("libx264", "yuv420p", (((0, 0), (1, 0), (1, 1), (0, 1)),)),
    ],
    ids=["copied", "mjpeg", "masked"],
)
def test_a_clip_plays_in_chromium(browser: Any, tmp_path: Path, codec: str, pix_fmt: str, masks: Any) -> None:
    path = make_video(
        tmp_path / "a.mkv",
        range(0, 8000, 100),
        codec,
        size=(160, 96),
        pix_fmt=pix_fmt,
        gop=10,
        b_frames=0,
        audio=(0, 8, 440),
    )
    found = recorded(path).cut(4.0, 6.0)
    assert found is not None
    content = base64.b64encode(make_clip(found, 4.0, spec(path, masks=masks), live=True).content).decode()
    page = browser.new_page()
    try:
        page.set_default_timeout(WAIT_MS)
        page.set_content(f'<video muted preload="auto" src="data:video/mp4;base64,{content}"></video>')
        told = page.evaluate(PLAYED, [0.05, 1.05])
    finally:
        page.close()
    numbers = [sum(1 << bit for bit, level in enumerate(levels) if level > 145) for levels in told["columns"]]
    assert numbers == [40, 50]
    assert told["duration"] == pytest.approx(2.1, abs=0.3)
    assert told["heard"] > 0
