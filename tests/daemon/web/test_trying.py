"""The preview in the editor of rules: a rule is tried on what the running cameras have shown so far."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.programs.page import Site

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]


def test_a_rule_that_is_not_saved_is_tried_on_the_past(site: Site, visit: Callable[..., Any]) -> None:
    page = visit(site, "/rules/red")
    page.get_by_label("What to watch for").fill("a red picture")
    page.get_by_role("button", name="Try it on the last 7 days").click()
    found = page.get_by_text("It would have reported")
    found.wait_for(timeout=60_000)
    assert page.get_by_text("h cannot be judged (nothing was recorded)").count() >= 1  # most of the week
    events = int(found.inner_text().split()[4])
    if events:
        assert page.get_by_role("img", name="Events a day at each threshold").count() == 1
        assert page.locator(".moment").count() == min(events, 12)
        assert "would have held" in page.locator("form").inner_text()
