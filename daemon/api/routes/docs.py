"""``/api/v1/docs``: the routes as a plain page made from the OpenAPI document; nothing is fetched from elsewhere."""

from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from daemon.http.limits import RouteClass, limited

router = APIRouter(include_in_schema=False, dependencies=[limited(RouteClass.PAGE)])

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 13px ui-monospace, monospace; }
h3 code b { display: inline-block; min-width: 4.5em; }
section { border-top: 1px solid #8885; }
td { padding: 0 1rem .2rem 0; vertical-align: top; }
"""


@router.get("/docs.css")
async def style() -> Response:
    """Return the style of the page."""
    return Response(STYLE, media_type="text/css")


@router.get("/docs")
def docs(request: Request) -> Response:
    """Return the page."""
    return Response(_page(request.app), media_type="text/html")


@lru_cache(maxsize=4)
def _page(app: FastAPI) -> str:
    routes = "".join(_routes(app.openapi()))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>Watchword API</title>'
        '<link rel="stylesheet" href="docs.css"></head><body><h1>Watchword API</h1>'
        '<p>Everything of this in a form for programs: <a href="openapi.json">openapi.json</a>. Authentication: '
        "<code>Authorization: Bearer TOKEN</code>.</p>"
        f"{routes}</body></html>"
    )


def _routes(document: dict[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            text = escape(route.get("description") or route.get("summary", ""))
            rows = "".join(map(_parameter, route.get("parameters", ())))
            table = f"<table>{rows}</table>" if rows else ""
            yield f"<section><h3><code><b>{method.upper()}</b> {escape(path)}</code></h3><p>{text}</p>{table}</section>"


def _parameter(one: dict[str, Any]) -> str:
    place = f"{one['in']}{', required' if one.get('required') else ''}"
    cells = (f"<code>{escape(one['name'])}</code>", escape(place), escape(one.get("description", "")))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
