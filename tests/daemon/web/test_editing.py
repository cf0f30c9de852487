"""Rules, zones and uploads on the page: what is written there stands in the configuration file, or in the folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs.page import ENDLESS, PHONE, Site, titled, until
from tests.support.streams.pipelines import write_colours

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("browser")]
Visit = Callable[..., Any]


def written(site: Site) -> dict[str, Any]:
    """Return the configuration file."""
    document: dict[str, Any] = yaml.safe_load((site.folder / "config.yaml").read_text(encoding="utf-8"))
    return document


def change_elsewhere(site: Site, rule: str, entry: dict[str, Any]) -> None:
    """Change a rule as another editor does."""
    with site.client() as client:
        version = client.get("/api/v1/rules").json()["version"]
        response = client.put(f"/api/v1/rules/{rule}", json=entry, headers={"if-match": version})
    assert response.status_code == 200, response.text


def test_a_rule_is_read_while_it_is_written_then_saved_and_removed(site: Site, visit: Visit) -> None:
    page = visit(site, "/rules", **PHONE)
    page.get_by_role("link", name="New rule", exact=True).click()
    titled(page, "New rule")
    page.fill("#rule-name", "grass")
    page.fill("#describe", "a green picture\nthe sky")
    page.locator(".reading").get_by_text("understands colours by name").wait_for()
    page.fill("#describe", "a green picture")
    page.locator(".reading").get_by_text("Nothing speaks against it.").wait_for()
    page.get_by_label("Threshold").first.check()
    page.locator("input[type=range]").fill("0.7")
    page.get_by_role("button", name="Save").click()
    titled(page, "Rules")
    assert written(site)["events"]["grass"] == {"describe": "a green picture", "threshold": 0.7}
    page.get_by_role("link", name="grass").click()
    page.get_by_label("False alerts, at most").first.check()
    page.get_by_label("Second opinion").select_option("alerts wait for it")
    page.get_by_role("button", name="Save").click()
    titled(page, "Rules")
    decided = {"describe": "a green picture", "max_false_alerts": "1/day"}
    assert written(site)["events"]["grass"] == decided | {"verify": "hold"}
    page.get_by_role("link", name="grass").click()
    page.get_by_label("Second opinion").select_option("none")
    page.get_by_role("button", name="Save").click()
    titled(page, "Rules")
    assert written(site)["events"]["grass"] == decided
    page.get_by_role("link", name="grass").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    titled(page, "Rules")
    assert "grass" not in written(site)["events"]


def test_a_rule_over_time_is_said_in_words_and_its_events_link_to_their_parts(site: Site, visit: Visit) -> None:
    page = visit(site, "/rules", **PHONE)
    page.wait_for_selector(".rule")
    held: list[Any] = []
    page.route("**/api/v1/rules", lambda route: held.append(route))
    page.get_by_role("link", name="New rule over time").click()
    page.fill("#rule-name", "shines")
    page.fill("#when", "lamp.red for")
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()  # what was typed before the rules came stays
    page.unroute("**/api/v1/rules")
    page.locator(".box").get_by_text("is expected `at least`").wait_for()
    page.fill("#when", "lamp.red for at least 1s")
    page.locator(".reading").get_by_text("red on lamp that lasts at least 1 s").wait_for()
    page.get_by_role("button", name="Save").click()
    titled(page, "Rules")
    assert written(site)["events"]["shines"] == {"when": "lamp.red for at least 1s"}
    page.get_by_role("link", name="shines", exact=True).click()
    until(page, "document.getElementById('when')?.value === 'lamp.red for at least 1s'")
    page.goto("/events?event=shines")
    page.get_by_role("link", name="shines").first.click()
    titled(page, "shines")
    page.get_by_role("link", name="red", exact=True).click()
    titled(page, "red")


@pytest.mark.long
def test_a_rule_that_is_wrong_changes_nothing_and_says_why(site: Site, visit: Visit) -> None:
    page = visit(site, "/rules/blue")
    page.fill("#min-duration", "soon")
    before = written(site)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").get_by_text("events.blue.min_duration").first.wait_for()
    assert written(site) == before


def test_of_two_editors_the_second_is_told(site: Site, visit: Visit) -> None:
    page = visit(site, "/rules/blue")
    page.fill("#describe", "a blue picture of mine")
    change_elsewhere(site, "blue", {"describe": "a blue picture of theirs", "threshold": 0.5})
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Somebody has changed the configuration").wait_for()
    assert written(site)["events"]["blue"]["describe"] == "a blue picture of theirs"
    page.get_by_role("button", name="Discard mine, show theirs").click()
    until(page, "document.getElementById('describe').value === 'a blue picture of theirs'")
    page.fill("#describe", "a blue picture of mine")
    change_elsewhere(site, "blue", {"describe": "a blue picture of theirs again", "threshold": 0.5})
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Save mine onto theirs").click()
    titled(page, "Rules")
    assert written(site)["events"]["blue"]["describe"] == "a blue picture of mine"


def test_a_zone_is_drawn_by_pointer_and_by_keyboard(site: Site, visit: Visit) -> None:
    page = visit(site, "/cameras/pattern")
    page.locator("main .picture.seen").first.wait_for()
    page.get_by_text("Zones").click()
    page.fill("#zone-name", "gate")
    area = page.locator("svg.areas")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    assert page.locator("circle.corner").count() == 3
    page.locator("circle.corner").nth(2).focus()
    page.keyboard.press("+")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Save the zone").click()
    page.get_by_text("Saved.", exact=True).last.wait_for()
    corners = written(site)["cameras"]["pattern"]["zones"]["gate"]
    assert [[round(x, 1), round(y, 1)] for x, y in corners] == [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.5, 0.7]]
    page.select_option("#zone-which", "gate")
    assert page.locator("circle.corner").count() == 4


def test_a_camera_is_added_and_removed(site: Site, visit: Visit) -> None:
    page = visit(site, "/", **PHONE)
    titled(page, "Live")
    page.get_by_role("link", name="Add a camera").click()
    titled(page, "Add a camera")
    page.fill("#camera-name", "second")
    page.fill("#camera-url", "nonsense://nowhere")
    page.get_by_role("button", name="Add a camera").click()
    page.get_by_role("alert").get_by_text("cameras.second.url").first.wait_for()
    page.fill("#camera-url", ENDLESS)
    page.get_by_label("Listen, too").uncheck()
    page.get_by_role("button", name="Add a camera").click()
    titled(page, "second")
    page.locator("main .picture.seen").wait_for()
    assert written(site)["cameras"]["second"] == {"url": ENDLESS, "audio": False}
    page.get_by_role("button", name="Remove the camera").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove the camera").click()
    titled(page, "Live")
    assert "second" not in written(site)["cameras"]


def test_an_upload_shows_its_progress_its_tags_and_its_results(site: Site, visit: Visit, tmp_path: Path) -> None:
    video = write_colours(tmp_path / "<b>blue<b>.mp4", [("grey", 3), ("blue", 6), ("grey", 3)])
    page = visit(site, "/uploads", **PHONE)
    page.locator("input[type=file]").set_input_files(str(video))
    row = page.locator(".upload").filter(has_text="<b>blue<b>").filter(has=page.get_by_text("done", exact=True)).first
    row.locator(".tag").get_by_text("blue").wait_for()
    assert row.locator(".name").inner_text().endswith(".mp4")
    with page.expect_download() as download:
        row.get_by_role("link", name="CSV").click()
    assert "blue" in Path(download.value.path()).read_text()
    row.locator(".tag").click()
    titled(page, "blue")
    assert page.locator(".event-head").get_by_text(".mp4").count() == 1


@pytest.mark.long
def test_what_is_no_video_is_refused_in_words(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit(site, "/uploads")
    (tmp_path / "page.html").write_text("<script>alert(1)</script>")
    page.locator("input[type=file]").set_input_files(str(tmp_path / "page.html"))
    page.locator(".upload").get_by_role("alert").wait_for()
    assert "page.html" not in {path.name for path in (site.folder / "inbox").iterdir()}
