"""The files of the page as they are served, without a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import daemon.web
from daemon.config.sections.http import HttpConfig
from daemon.http import Access, HttpServer, build_app
from daemon.observability.snapshot import DaemonSnapshot
from daemon.web import is_page, page_router
from daemon.web.files import load_page_files
from workers.events import explain_picture, timeline_picture

STATIC = Path(str(daemon.web.__file__)).parent / "static"
FILES = sorted(path for path in STATIC.rglob("*") if path.suffix in (".js", ".css", ".html"))
TOKEN = "a-token-that-pages-do-not-need"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A server that wants a token."""
    access = Access.of(HttpConfig.model_validate({"token": TOKEN}, context={"folder": Path.cwd()}))
    server = HttpServer(build_app(DaemonSnapshot, access, [page_router()], is_page), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client
    server.stop()


@pytest.mark.parametrize("path", ["/", "/login", "/events", "/events/abc", "/rules/+new", "/cameras/a%20b", "/health"])
def test_every_view_is_the_same_index_and_needs_no_token(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.text) == (200, client.get("/").text)
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/api/v1/openapi.json", "/events/a/b", "/webs/x"])
def test_nothing_else_is_served_without_a_token(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_page_is_only_read(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/").status_code == 401


def test_the_index_is_checked_each_time_and_sent_once(client: httpx.Client) -> None:
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/events", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_all_it_names_is_there_compressed_and_kept_for_ever(client: httpx.Client) -> None:
    index = client.get("/").text
    named = re.findall(r'(?:href|src)="(/web/[^"]+)"', index)
    assert {path.partition("/js/")[2] for path in named if "/js/" in path} >= {
        path.relative_to(STATIC / "js").as_posix() for path in (STATIC / "js").rglob("*.js")
    }
    for path in named:
        response = client.get(path)
        assert response.status_code == 200, path
        assert "immutable" in response.headers["cache-control"]
        assert response.headers["content-type"] != "text/plain"
    script = client.get(next(path for path in named if path.endswith("main.js")))
    assert script.headers["content-encoding"] == "gzip"
    plain = client.get(script.url.path, headers={"accept-encoding": "identity"})
    assert (plain.content, plain.headers.get("content-encoding")) == (script.content, None)


def test_a_file_of_another_version_does_not_exist(client: httpx.Client) -> None:
    version = load_page_files().version
    assert client.get(f"/web/{version}/js/main.js").status_code == 200
    assert client.get("/web/000000000000/js/main.js").status_code == 404
    assert client.get(f"/web/{version}/js/none.js").status_code == 404
    assert client.get(f"/web/{version}/../../files.py").status_code in (401, 404)


def test_the_version_changes_with_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_page_files().version
    true_read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: true_read(path) + (b" " if path.name == "rule.js" else b""))
    assert load_page_files().version != before


def test_its_policy_allows_own_files_only_and_no_markup_from_strings(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert not re.search(r"unsafe|https?:|data:|blob:|\*", policy)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_fetch_nothing_from_elsewhere_and_write_no_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?! )", text)


def test_its_colours_are_those_of_the_explanation_picture() -> None:
    """One visual language: whoever changes one changes the other."""
    css = (STATIC / "css" / "base.css").read_text()
    light = dict(re.findall(r"--([\w-]+): (#\w+);", css.partition('[data-theme="dark"]')[0]))
    shades = {
        "ink": timeline_picture.INK,
        "faint": timeline_picture.FAINT,
        "score": timeline_picture.SCORE,
        "span": timeline_picture.SPAN,
        "threshold": timeline_picture.THRESHOLD,
        "speech": explain_picture.COLOURS["speech"],
        "sound": explain_picture.COLOURS["sound"],
        "words": explain_picture.WORDS,
        "box": explain_picture.BOX,
        "zone": explain_picture.ZONE,
    }
    assert {name: light[name] for name in shades} == shades


def test_both_ways_to_darkness_have_the_same_colours() -> None:
    css = (STATIC / "css" / "base.css").read_text()
    chosen, of_the_system = (
        re.findall(r"--([\w-]+): ([^;]+);", block)
        for block in re.findall(r':root(?:\[data-theme="dark"\]|:not\(\[data-theme\]\)) \{([^}]+)\}', css)
    )
    assert chosen == of_the_system


def test_views_have_small_modules() -> None:
    sizes = {path.name: len(path.read_text().splitlines()) for path in FILES if path.suffix == ".js"}
    assert {name: n for name, n in sizes.items() if n > 420} == {}
