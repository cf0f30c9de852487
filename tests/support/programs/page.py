"""The page in a browser: a daemon that serves it, stored events with strangers' words, Debian's Chromium."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.events import make_event
from tests.support.programs.daemon import Running, running, write_config
from tests.support.recorded.event_log import opened
from tests.support.serving.servers import free_port
from workers.clock import SystemClock

TOKEN = "a-token-for-the-page-only"
MARKUP = "<img src=x onerror=\"document.title='broken'\"><b>bold</b>"
ENDLESS = "synthetic://pattern?seconds=3600&width=640&height=360&fps=5&pace=1"
LAMP = (("grey", 3), ("red", 4), ("grey", 3))  # what the camera `lamp` shows again and again
RULES = {
    "red": {"describe": "a red picture", "merge_gap": "1s"},
    "blue": {"describe": "a blue picture", "threshold": 0.5, "alert": {"to": []}},
    "strange": {"describe": f"a purple picture {MARKUP}"},
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 860}}
WAIT_MS = 60_000  # for a busy machine; what is waited for comes within a second or two


class Site:
    """A daemon with a page. ``url`` stays the same over restarts."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.folder = folder
        self._sections = sections
        self._port = 0
        self._daemon: Any = None

    def start(self) -> None:
        """Start it, and wait until it serves and its models are loaded."""
        http = {"port": self._port, "tokens": {"page": {"token": TOKEN, "may": list(ALL)}}}
        config = write_config(self.folder, http=http, **self._sections)
        self._context = running(config, self.folder)
        self._daemon = self._context.__enter__()
        self._daemon.wait_for("models loaded")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self._daemon.log())
        assert found
        self._port = int(found[1])

    @property
    def daemon(self) -> Running:
        """Return the process."""
        assert isinstance(self._daemon, Running)
        return self._daemon

    def stop(self) -> None:
        """End it at once."""
        self._context.__exit__(None, None, None)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def client(self) -> httpx.Client:
        """Return a client with the token."""
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)


ALL = ("health", "metrics", "view", "edit", "upload")


def stored_events(folder: Path) -> None:
    """Put events into the log of a daemon that does not run yet: strangers' words among them."""
    now = SystemClock().wall()
    words = [{"start": now - 299.5, "end": now - 297, "text": MARKUP, "confidence": 0.9}]
    seen = [{"time": now - 298.0, "name": MARKUP, "score": 0.8, "box": [0.1, 0.2, 0.5, 0.9]}]
    track = [[now - 320.0 + i, 0.9 if 20 <= i <= 26 else 0.1] for i in range(40)]
    evidence = {"snapshot": None, "clip": None, "top_frames": [[now - 298.0, 0.9]], "words": words}
    strange = make_event(
        1,
        camera="pattern",
        type="end",
        event="strange",
        start=now - 300,
        end=now - 294,
        start_unix=now - 300,
        end_unix=now - 294,
        live=True,
        description=[f"a purple picture {MARKUP}"],
        evidence=evidence | {"objects": seen, "attention": [[MARKUP, 0.7], ["purple", 0.3]], "timeline": track},
        produced_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 294)),
        latency_s=1.25,
        verification={
            **{"verdict": "rejected", "policy": "hold", "fallback": "alert", "look": "end", "confidence": 0.8},
            **{"why": f"A lamp, not a person {MARKUP}", "doubt": "A face.", "model": "tiny", "latency_s": 2.0},
        },
    )
    older = [
        make_event(
            n,
            camera="pattern",
            type="end",
            event="older",
            start=now - 86400 - 60 * n,
            end=now - 86400 - 60 * n + 5,
            start_unix=now - 86400 - 60 * n,
            end_unix=now - 86400 - 60 * n + 5,
            live=True,
            evidence=evidence | {"words": []},
            produced_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 86400 - 60 * n)),
        )
        for n in range(100, 48, -1)
    ]
    with opened(folder / "state" / "events") as (log, _):
        log.append([*older, strange])


@contextmanager
def sent_for_ever(video: Path) -> Iterator[str]:
    """Send a video as a live camera, in real time, again and again, whether somebody listens or not; yield its URL."""
    url = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    play = ["-re", "-stream_loop", "-1", "-i", str(video), "-c", "copy", "-f", "mpegts", f"{url}?pkt_size=1316"]
    sender = subprocess.Popen(["ffmpeg", "-v", "quiet", *play], stdin=subprocess.DEVNULL)
    try:
        yield url
    finally:
        sender.kill()
        sender.wait()


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


def logged_in(browser: Any, site: "Site", **options: Any) -> Any:
    """Return a context of the browser, such as a private window, whose cookie is a session of the site."""
    context = browser.new_context(base_url=site.url, **{"locale": "en-GB", **DESKTOP, **options})
    context.set_default_timeout(WAIT_MS)
    with site.client() as client:
        response = client.post("/api/v1/session", json={"token": TOKEN})
    assert response.status_code == 204, response.text
    value = response.cookies["watchword_session"]
    context.add_cookies([{"name": "watchword_session", "value": value, "url": site.url}])
    return context


def moments_of(page: Any) -> int:
    """Search again until the camera has recorded something that is found; return how many moments."""
    for _ in range(40):
        page.click("button[type=submit]")
        until(page, "!document.querySelector('.search ~ .stack .quiet')?.textContent.startsWith('Searching')")
        if page.locator(".moment:not(.faint)").count():
            break
        page.wait_for_timeout(1000)
    return int(page.locator(".moment:not(.faint)").count())


def until(page: Any, expression: str) -> None:
    """Wait until an expression is true in a page; the page's policy forbids what playwright would do for that."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not {expression}, but:\n{page.inner_text('body')}"
        page.wait_for_timeout(50)


def titled(page: Any, text: str) -> None:
    """Wait until a page has a heading."""
    page.locator("h1").get_by_text(text, exact=True).wait_for()
