"""The summary of a day and of an upload in Chromium, with videos that play."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.daemon.web.test_page import shown
from tests.support.programs.page import MARKUP, PHONE, Site, titled, until

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Any]
VIDEO = "document.querySelector('.clip video')"


def test_a_day_with_its_moments_whose_video_plays(site: Site, visit: Visit) -> None:
    page = visit(site, "/events", **PHONE)
    page.get_by_text("Summary of a day").click()
    titled(page, "Summary of a day")
    visit_card = page.locator(".moment").filter(has_text="visit")
    visit_card.wait_for()
    shown(page, "strange", ".moments")
    assert MARKUP not in page.content()
    until(page, "(document.querySelector('.moment video')?.readyState ?? 0) >= 2")  # a frame of its clip
    page.select_option("#of-camera", "pattern")
    until(page, "document.querySelectorAll('.lanes svg').length === 1")
    assert page.url.endswith("?camera=pattern")
    page.get_by_role("button", name="Make a short video").click()
    until(page, f"({VIDEO}?.readyState ?? 0) >= 2")
    assert page.evaluate(f"{VIDEO}.duration") > 3
    page.locator(".clip ol button").first.click()
    until(page, f"{VIDEO}.currentTime > 0.3")
    visit_card.locator("a").click()
    titled(page, "visit")


def test_an_upload_with_its_chapters_and_highlights(site: Site, visit: Visit) -> None:
    page = visit(site, "/uploads", locale="zh-CN")
    page.locator("a[href='/summary?upload=film.mp4']").get_by_text("摘要").click()
    titled(page, "film.mp4")
    until(page, "document.querySelectorAll('.chapters li').length === 3")
    assert page.locator(".chapters li").all_inner_texts()[1].split("\n")[-1] == "a red picture"
    page.get_by_text("第 1 章").wait_for()
    until(page, f"({VIDEO}?.readyState ?? 0) >= 2")
    assert page.locator(".clip ol button").count() == 3
    until(page, "[...document.querySelectorAll('.moment video')].filter((one) => one.readyState >= 2).length === 3")


def test_a_day_without_anything_and_times_in_the_address(site: Site, visit: Visit) -> None:
    page = visit(site, "/summary?date=2001-02-03")
    shown(page, "Nothing is recorded of live cameras on that day.")
    assert page.input_value("#day") == "2001-02-03"
