"""A browser, a daemon that it visits, and pages in it that fail a test for whatever the browser complains of."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.programs.page import (
    CHROMIUM,
    ENDLESS,
    LAMP,
    MARKUP,
    RULES,
    Site,
    chromium,
    logged_in,
    sent_for_ever,
    stored_events,
)
from tests.support.recorded.event_log import opened
from tests.support.recorded.summary import live_clip, live_event, stored_upload
from tests.support.serving.receivers import Receiver, receiver
from tests.support.serving.vlm_server import VlmServer, status, vlm_server
from tests.support.streams.pipelines import write_colours
from workers.state_layout import StateLayout

CAPTION = {
    "text": f"Somebody with a red umbrella rings. {MARKUP}",
    "attributes": ["umbrella"],
    "language": "en",
    "model": "tiny",
    "prompt": "caption-1",
}
ROLLS = {"pre": "2s", "post": "2s"}


@pytest.fixture(scope="session")
def hook() -> Iterator[Receiver]:
    """What receives the site's alerts."""
    with receiver() as hook:
        yield hook


@pytest.fixture(scope="session")
def vlm() -> Iterator[VlmServer]:
    """The site's vision-language model; a test that needs it sets ``usual``."""
    with vlm_server(status(404)) as server:
        yield server


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, hook: Receiver, vlm: VlmServer) -> Iterator[Site]:
    """A daemon with a camera that never ends, one that is away, and stored events."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("inbox", "done"):
        (folder / name).mkdir()
    stored_events(folder)
    with opened(folder / "state" / "events") as (log, _):
        layout = StateLayout(folder / "state")
        stored_upload(layout, folder / "done", log)
        began = time.time() - 200
        clip = live_clip(layout.evidence / "pattern" / "2026-09-21", "clip", began)
        visit = live_event(777, began + 3.3, camera="pattern", event="visit", clip=clip, caption=CAPTION)
        log.append([visit, visit.model_copy(update={"revision": visit.revision + 1})])  # a transcript came late
    with sent_for_ever(write_colours(folder / "lamp.ts", LAMP)) as lamp:
        cameras = {
            "pattern": {"url": ENDLESS, "audio": False},
            "lamp": {"url": lamp, "audio": False, "events": ["red"]},
            "away": {"url": "rtsp://127.0.0.1:9/none", "verifier": "none"},
        }
        sections: dict[str, Any] = {"uploads": {"folder": "inbox", "done": "done"}, "evidence": ROLLS}
        sections["models"] = {
            "profile": "colour",
            "verifier": {"url": vlm.url, "model": "tiny", "calls_per_minute": 9999},
        }
        alerts = {"targets": {"hook": {"webhook": hook.url}}, "public_url": "http://cameras.test"}
        site = Site(folder, cameras=cameras, events=RULES, alerts=alerts, **sections)
        site.start()
        yield site
        site.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for the tests of a file.

    While Playwright runs, an event loop counts as running in this thread: no other test could call ``asyncio.run``.
    """
    pytest.importorskip("playwright.sync_api", reason="needs playwright, an extra of development")
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt install chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; at the end the browser must have had nothing to complain of: no error, no violated policy."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def _visit(site: Site, path: str = "/", log_in: bool = True, **options: Any) -> Any:
        context = logged_in(browser, site, **options)
        contexts.append(context)
        if not log_in:
            context.clear_cookies()
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("request", lambda request: complaints.append(f"fetched {request.url}") if is_foreign(request) else None)
        page.goto(path)
        return page

    def is_foreign(request: Any) -> bool:
        return not request.url.startswith("http://127.0.0.1:")

    yield _visit
    for context in contexts:
        context.close()
    assert complaints == []


def is_complaint(message: Any) -> bool:
    """Return whether a line of the console is about the page; that a request was refused is for the page to show."""
    return message.type in ("error", "warning") and not message.text.startswith("Failed to load resource")
