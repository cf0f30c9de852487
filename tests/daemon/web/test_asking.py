"""Questions on the page: steps while they take long, answers with moments that play, a dialogue."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.programs.page import DESKTOP, MARKUP, PHONE, Site, until
from tests.support.recorded.asking import claims, is_plan, plan
from tests.support.serving.vlm_server import Asked, VlmServer, says, slow, status

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]
VISIT = plan(searches=[{"description": "", "spoken": False, "classes": [], "words": "visit"}])


def answered(asked: Asked) -> Any:
    return VISIT if is_plan(asked) else claims((f"Somebody came by. {MARKUP}", [1]), ("And a ghost.", [9]))


def test_a_question_is_answered_with_moments_that_play(site: Site, visit: Callable[..., Any], vlm: VlmServer) -> None:
    for options in (DESKTOP, PHONE):
        vlm.usual = slow(0.5, says(answered))
        page = visit(site, "/search", **options)
        page.click("text=Ask")
        page.wait_for_selector(f"text=tiny at {vlm.url} answers")
        page.wait_for_selector("text=Not asked about: away")
        page.fill("#question", "who came by?")
        page.press("#question", "Enter")
        page.wait_for_selector("text=Working out what to search for")
        page.wait_for_selector("text=Looking at what was found on pattern")
        page.wait_for_selector(".answer h2 >> text=who came by?")
        assert page.locator(".answer > p").first.inner_text().startswith(f"Somebody came by. {MARKUP}")
        assert "ghost" not in page.inner_text("main")
        page.click(".cite")
        until(page, "document.querySelector('.moment video')?.readyState > 0")
        vlm.usual = says(lambda asked: VISIT if is_plan(asked) else claims())
        page.fill("#question", "and before that?")
        page.click("button.main")
        page.wait_for_selector("text=Not seen")
        assert "Searched for" in page.locator(".answer").first.inner_text()
        assert [turn["question"] for turn in vlm.asked[-1].data["earlier"]] == ["who came by?"]
        page.click("nav a[href='/search']")
        page.click("text=Ask")
        page.wait_for_selector(".answer h2 >> text=who came by?")
        vlm.usual = status(401)
        page.fill("#question", "visit")
        page.click("button.main")
        page.wait_for_selector(".answer .box.bad >> text=rejects the key")
        assert page.locator(".answer").first.locator(".moment").count() > 0
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.click("text=New dialogue")
        assert page.locator(".answer").count() == 0
