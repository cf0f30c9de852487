"""A clip in a format that the browser cannot play is converted for it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.page import WAIT_MS, Site, sent_for_ever, until
from tests.support.serving.receivers import receiver
from tests.support.streams.pipelines import write_colours

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.xdist_group("browser")]


def write_h265(folder: Path) -> Path:
    """Return a video of the lamp in H.265."""
    plain, video = write_colours(folder / "plain.mp4", [("grey", 3), ("red", 4), ("grey", 3)]), folder / "h265.ts"
    to = ["-c:v", "libx265", "-x265-params", "log-level=none:keyint=10", "-s", "320x240", str(video)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(plain), *to], check=True)
    return video


def test_h265_is_converted_and_offered_as_it_is(visit: Callable[..., Any], tmp_path: Path) -> None:
    with sent_for_ever(write_h265(tmp_path)) as url, receiver() as hook:
        rules = {"red": {"describe": "a red picture", "merge_gap": "1s"}}
        evidence = {"pre": "1s", "post": "1s"}
        alerts = {"targets": {"hook": {"webhook": hook.url}}}
        cameras = {"lamp": {"url": url, "audio": False}}
        site = Site(tmp_path, cameras=cameras, events=rules, evidence=evidence, alerts=alerts)
        site.start()
        try:
            (first, *_) = hook.wait(1, WAIT_MS / 1000)
            page = visit(site, f"/events/{first.events[0]}")
            until(page, "document.querySelector('video')?.src.includes('transcode=1')")
            until(page, "document.querySelector('video').readyState >= 2")
            page.get_by_text("Converted for this browser").wait_for()
            with page.expect_download() as download:
                page.get_by_role("link", name="Download the clip").click()
            assert (
                b"hvc1" in Path(download.value.path()).read_bytes()
                or b"hev1" in Path(download.value.path()).read_bytes()
            )
        finally:
            site.stop()
