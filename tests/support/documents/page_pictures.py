"""Pictures of the page for the documents: python -m tests.support.documents.page_pictures [FOLDER]

Three live cameras (parts of the bundled sample, streamed by ffmpeg over TCP) are watched with the profile `lite` until
enough has happened; then Chromium takes pictures. Writes `page-*.webp` into FOLDER, by default docs/images.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.programs.page import DESKTOP, PHONE, Site, chromium, logged_in, until
from tests.support.serving.servers import free_port

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "daemon" / "sample" / "sample.mp4"
PARTS = {"garden": (4, 16), "kitchen": (19, 18), "studio": (49, 23)}  # from which second, how long
EVENTS = {
    "cat": {"describe": "a cat", "threshold": 0.6, "zone": "lawn"},
    "coffee": {"describe": ["a cup of espresso", "a cup of coffee"]},
    "camera": {"describe": "a camera on a tripod"},
}
LAWN = {"lawn": [[0.08, 0.12], [0.92, 0.06], [0.95, 0.95], [0.05, 0.95]]}
GAP, EDGE = 24, "#c9ced6"
PATIENCE_S = 900
ENOUGH = 8  # events that have ended


@contextmanager
def streamed(folder: Path, name: str) -> Iterator[str]:
    """Stream a part of the sample for ever, in real time; yield its URL."""
    start, seconds = PARTS[name]
    part, port = folder / f"{name}.ts", free_port()
    cut = ["-ss", str(start), "-t", str(seconds), "-i", str(SAMPLE), "-g", "25", "-c:v", "libx264", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *cut, str(part)], check=True)
    play = [
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        str(part),
        "-c",
        "copy",
        "-f",
        "mpegts",
        f"tcp://127.0.0.1:{port}?listen=1",
    ]
    player = subprocess.Popen(["ffmpeg", "-v", "quiet", *play])
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        player.kill()
        player.wait()


def wait_for_events(site: Site) -> dict[str, str]:
    """Wait until something has ended on each camera; return the ids of events by their names."""
    deadline = time.monotonic() + PATIENCE_S
    with site.client() as client:
        while time.monotonic() < deadline:
            ended = [e for e in client.get("/api/v1/events?limit=200").json()["events"] if e["type"] == "end"]
            found = {event["event"]: event["id"] for event in ended}
            if {"camera", "coffee"} <= found.keys() and len(ended) >= ENOUGH:
                return found
            time.sleep(2)
    raise SystemExit("too little has happened")


def take(browser: Any, site: Site, path: str, ready: str, file: Path, **options: Any) -> None:
    """Write a picture of a view once an expression about it is true."""
    context = logged_in(browser, site, **options)
    page = context.new_page()
    page.goto(path)
    until(page, ready)
    if path.endswith("+new"):
        page.fill("#rule-name", "fence")
        page.fill("#describe", "a person\nsomeone climbs a fence")
        until(page, "document.querySelector('.reading .box') !== null")
    page.wait_for_timeout(1500)  # for pictures of cameras, and fonts
    page.screenshot(path=str(file))
    context.close()


def side_by_side(files: list[Path], to: Path) -> None:
    """Write pictures beside each other, each with a thin edge."""
    pictures = [Image.open(file).convert("RGB") for file in files]
    width = sum(picture.width + 2 for picture in pictures) + GAP * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, max(picture.height for picture in pictures) + 2), "white")
    x = 0
    for picture in pictures:
        canvas.paste(EDGE, (x, 0, x + picture.width + 2, picture.height + 2))
        canvas.paste(picture, (x + 1, 1))
        x += picture.width + 2 + GAP
    canvas.save(to, quality=82, method=6)


def pictures(browser: Any, site: Site, ids: dict[str, str], folder: Path, to: Path) -> None:
    """Take all pictures."""
    seen = "document.querySelectorAll('.picture.seen').length === 3 && document.querySelectorAll('a.event').length > 2"
    event = f"/events/{ids['coffee']}"
    drawn = "document.querySelector('.chart .line') !== null"
    clip = f"{drawn} && (document.querySelector('video')?.readyState ?? 0) >= 1"
    for name, path, ready, options in (
        ("live", "/", seen, {**DESKTOP}),
        ("event", event, clip, {**DESKTOP}),
        ("rule", "/rules/+new", "document.getElementById('describe') !== null", {**DESKTOP, "color_scheme": "dark"}),
    ):
        take(browser, site, path, ready, folder / f"{name}.png", **options)
        side_by_side([folder / f"{name}.png"], to / f"page-{name}.webp")
    phone = {**PHONE, "device_scale_factor": 1}
    take(browser, site, "/", seen.replace("=== 3", "> 0"), folder / "1.png", **phone, color_scheme="dark")
    take(browser, site, f"/events/{ids['camera']}", clip, folder / "2.png", **phone)
    take(
        browser,
        site,
        "/events",
        "document.querySelectorAll('a.event').length > 2",
        folder / "3.png",
        **phone,
        locale="zh-CN",
    )
    side_by_side([folder / f"{n}.png" for n in (1, 2, 3)], to / "page-phone.webp")


def main() -> None:
    """Take the pictures."""
    to = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cameras: dict[str, dict[str, Any]] = {
            name: {"url": stack.enter_context(streamed(folder, name))} for name in PARTS
        }
        cameras["garden"]["zones"] = LAWN
        site = Site(folder, profile="lite", cameras=cameras, events=EVENTS, speech={"enabled": False})
        site.start()
        stack.callback(site.stop)
        ids = wait_for_events(site)
        pictures(stack.enter_context(chromium()), site, ids, folder, to)


if __name__ == "__main__":
    main()
