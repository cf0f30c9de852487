"""A link mutes what it says and nothing else, and only by a button."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from daemon.alerts.link_pages import confirm_page, done_page, refused_page
from daemon.alerts.links import LINK_S, LinkRefused, Links, MuteRequest, link_key

NOW = 1_700_000_000.0


def query(url: str | None) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url or "").query))


def test_a_link_is_valid_for_its_camera_and_event_until_it_expires(tmp_path: Path) -> None:
    links = Links("https://x.example/base", link_key(tmp_path))
    url = links.mute("door", "cat", NOW)
    assert url
    assert url.startswith("https://x.example/base/api/v1/mute?")
    assert links.read_mute(query(url), NOW + LINK_S - 1) == MuteRequest("door", "cat")
    again = Links("https://other.example", link_key(tmp_path))  # after a restart
    assert again.read_mute(query(url), NOW) == MuteRequest("door", "cat")
    with pytest.raises(LinkRefused, match="too old"):
        links.read_mute(query(url), NOW + LINK_S + 2)


@pytest.mark.parametrize(
    "change", [{"camera": "yard"}, {"event": "dog"}, {"expires": "9999999999"}, {"sign": "x"}, {"sign": "é"}]
)
def test_a_link_that_was_changed_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    links = Links("https://x.example", link_key(tmp_path))
    with pytest.raises(LinkRefused, match="not valid"):
        links.read_mute(query(links.mute("door", "cat", NOW)) | change, NOW)


def test_another_key_an_empty_query_and_no_number_are_refused(tmp_path: Path) -> None:
    links = Links("https://x.example", b"k" * 32)
    given = query(Links("https://x.example", link_key(tmp_path)).mute("door", "cat", NOW))
    for bad in ({}, given, given | {"expires": "soon"}):
        with pytest.raises(LinkRefused, match="not valid"):
            links.read_mute(bad, NOW)


def test_the_key_is_for_the_daemon_alone_and_a_damaged_one_is_replaced(tmp_path: Path) -> None:
    key = link_key(tmp_path / "alerts")
    path = tmp_path / "alerts" / "link.key"
    assert path.stat().st_mode & 0o077 == 0
    assert link_key(tmp_path / "alerts") == key
    path.write_bytes(b"short")
    assert len(link_key(tmp_path / "alerts")) == 32


def test_without_a_public_url_there_are_no_links() -> None:
    links = Links(None, b"k" * 32)
    assert links.mute("door", "cat", NOW) is links.event("x") is links.page() is links.evidence("x", "clip.mp4") is None


def test_pages_of_links_show_names_inertly_and_need_a_post() -> None:
    page = confirm_page("<b>door</b>", "")
    assert "&lt;b&gt;door" in page
    assert '<form method="post">' in page
    assert "<script" not in page
    assert "all events" in page
    assert "&lt;i&gt;" in done_page("door", "<i>", "12:00")
    assert "&lt;i&gt;" in refused_page("<i>")
