"""Every view has no serious finding of axe, on phones and desktops, light and dark, and nothing that is cut off."""

from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from tests.support.programs.page import DESKTOP, PHONE, Site, moments_of, until

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Any]

VIEWS = {
    "/": ".picture.seen",
    "/events": "a.event",
    "/events/0001cafe": ".chart .line",
    "/search?q=red&camera=lamp": ".moment",
    "/ask": ".asked:not(:empty)",
    "/rules": ".rule",
    "/rules/blue": ".rule-form .chart",
    "/rules/+new": "#describe",
    "/cameras/+new": "#camera-url",
    "/cameras/pattern": ".picture.seen",
    "/uploads": ".drop",
    "/summary": ".moment",
    "/summary?upload=film.mp4": ".chapters li",
    "/health": ".spark",
}
# Findings of axe about what is only a recommendation are not counted; these levels are.
COUNTED = ("serious", "critical", "moderate")


def findings(page: Any) -> list[str]:
    """Return what axe finds in a page, with the elements."""
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python, an extra of development")
    page.evaluate((resources.files(axe) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']} ({one['impact']}): {node['html']}"
        for one in found["violations"]
        if one["impact"] in COUNTED
        for node in one["nodes"]
    ]


def check_views(site: Site, visit: Visit, **options: Any) -> None:
    page = visit(site, "/login", log_in=False, **options)
    page.wait_for_selector("#token")
    found = {"/login": findings(page)}
    page.evaluate("document.querySelector('main').append(new Image())")
    assert any(one.startswith("image-alt") for one in findings(page)), "axe finds nothing at all"
    page = visit(site, "/health", **options)
    for path, ready in VIEWS.items():
        page.goto(path)
        if path.startswith("/search"):
            assert moments_of(page) > 0
        page.wait_for_selector(ready)
        until(page, "document.fonts.status === 'loaded'")
        found[path] = findings(page)
        too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px wider than the window"
    assert {path: what for path, what in found.items() if what} == {}


def test_on_phones_in_the_light(site: Site, visit: Visit) -> None:
    check_views(site, visit, **PHONE, color_scheme="light")


@pytest.mark.long
def test_on_desktops_in_the_dark(site: Site, visit: Visit) -> None:
    check_views(site, visit, **DESKTOP, color_scheme="dark")


@pytest.mark.long
def test_on_phones_in_the_dark_in_chinese(site: Site, visit: Visit) -> None:
    check_views(site, visit, **PHONE, color_scheme="dark", locale="zh-CN")


@pytest.mark.long
def test_on_desktops_in_the_light_and_with_large_letters(site: Site, visit: Visit) -> None:
    check_views(site, visit, viewport={"width": 640, "height": 430}, device_scale_factor=2, color_scheme="light")
