"""The OpenAPI document and the page made from it."""

import re
from pathlib import Path

from tests.daemon.api.conftest import GRAPHS, Serve

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
METHODS = {"get", "post", "put", "delete"}


def test_every_route_is_typed_and_described(serve: Serve) -> None:
    document = serve().client().get("openapi.json").json()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert method in METHODS
            assert route["description"].endswith("."), path
            good = next(one for status, one in route["responses"].items() if status.startswith("2"))
            kinds = good.get("content", {})
            if path.startswith("/api/v1") and "application/json" in kinds and "results" not in path:
                assert kinds["application/json"]["schema"] != {}, (method, path)
    assert document["components"]["schemas"]["Problem"]["required"] == ["error", "message"]


def test_the_page_lists_every_route_and_fetches_nothing_from_elsewhere(serve: Serve) -> None:
    served = serve()
    page = served.client(GRAPHS).get("docs")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for path in served.client().get("openapi.json").json()["paths"]:
        assert path in page.text
    fetched = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert set(fetched) == {"docs.css", "openapi.json"}
    assert "<script" not in page.text
    assert "<style" not in page.text
    assert served.client().get("docs.css").headers["content-type"].startswith("text/css")
    assert served.client(None).get("docs").status_code == 401


def test_every_route_is_in_the_documentation(serve: Serve) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for path in serve().client().get("openapi.json").json()["paths"]:
        if path.startswith("/api/v1/"):
            last = re.sub(r"\{[^}]*\}", "", path.removeprefix("/api/v1")).strip("/").rpartition("/")[2]
            assert last.strip(".") in text, path
