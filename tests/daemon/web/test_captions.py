"""What a model wrote, on the page: of an event, of an upload, and among the moments of a search."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from daemon.captions.store import CaptionStore
from daemon.captions.types import Described, Line, Written, upload_owner
from daemon.privacy.stores.uploads import UploadRecords
from tests.support.programs.page import MARKUP, PHONE, Site, titled, until
from workers.state_layout import StateLayout

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]


def test_captions_of_an_event_and_of_an_upload(site: Site, visit: Callable[..., Any]) -> None:
    layout = StateLayout(site.folder / "state")
    store = CaptionStore(layout.captions)
    (record,) = [one for one in UploadRecords(layout.uploads).all() if one.file.endswith("film.mp4")]
    owner, written = upload_owner(record.since), Written("de", "tiny", "caption-1")
    place = ("uploads", "key", "film.mp4", 0.0, 36.0, record.since, record.since + 1)
    whole = Described(owner, 0, *place, f"Ein Film. {MARKUP}", written, title="Farben", tags=("rot",))
    said = (Line(13.0, 14.0, "Guten Tag"),)
    chapter = replace(whole, number=1, start=12.0, end=24.0, title="Alles wird rot", tags=(), said=said)
    store.add(chapter)
    store.add(whole)
    try:
        page = visit(site, "/events", **PHONE)
        page.locator("a.event").filter(has_text="red umbrella").first.click()
        titled(page, "visit")
        page.get_by_text("written by tiny").wait_for()
        assert page.locator("main .state .now").count() == 0  # it is over, whatever came after its end
        assert f"Somebody with a red umbrella rings. {MARKUP}" in page.inner_text("main")
        assert page.locator(".tag").all_inner_texts() == ["umbrella"]
        page.goto("/summary?upload=film.mp4")
        page.get_by_role("heading", name="Farben").wait_for()
        assert f"Ein Film. {MARKUP}" in page.inner_text("main")
        assert page.locator(".chapters li").all_inner_texts()[0].startswith("0:00:12")
        page.get_by_text("What is said").click()
        page.locator("details q").get_by_text("Guten Tag").wait_for()
        page.goto("/search?q=alles%20rot")
        until(page, "document.querySelectorAll('.moment').length > 0")
        first = page.locator(".moment").first
        assert "Alles wird rot" in first.inner_text()
        assert "film.mp4" in first.inner_text()
    finally:
        store.erase([owner])
