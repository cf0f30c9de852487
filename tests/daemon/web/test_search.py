"""Search on the page: words and pictures find moments that play, also from the event that resembles them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.programs.page import Site, moments_of, until
from tests.support.recorded.recordings import frame

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Any]


def test_words_find_moments_and_are_part_of_the_address(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit(site, "/search")
    page.fill("#q", "a red picture")
    page.select_option("#in-camera", "lamp")
    assert moments_of(page) > 0
    assert "read as: a red picture" in page.locator(".search ~ .stack").inner_text().lower()
    assert "q=a+red+picture" in page.url
    page.reload()
    page.wait_for_selector(".moment .name >> text=lamp")
    page.fill("#q", "a bicycle")
    page.click("button[type=submit]")
    page.wait_for_selector(".box.warn >> text=understands colours")
    picture = tmp_path / "red.png"
    Image.fromarray(frame("red")).save(picture)
    page.set_input_files("#image", picture)
    page.wait_for_selector("text=What resembles red.png")
    page.wait_for_selector(".moment .name >> text=lamp")
    page.click("text=Leave it out")
    page.fill("#q", "")
    page.click("button[type=submit]")
    page.wait_for_selector("[role=alert] >> text=nothing is searched for")


def test_an_event_leads_to_what_resembles_it_and_its_picture_is_shown(site: Site, visit: Visit) -> None:
    page = visit(site, "/events?event=red&camera=lamp")
    page.click("a.event")
    page.click("text=More like this")
    page.wait_for_selector("text=What resembles this")
    page.wait_for_selector(".moment")
    until(page, "document.querySelectorAll('.moment .shown img').length > 0")
