"""The routes of the page. All its addresses return the same index, whose script shows the view of the address.

The files hold nothing of the installation, so they need no credentials: whoever has none sees the form to log in.
"""

import re

from fastapi import APIRouter, HTTPException, Request, Response

from daemon.http.limits import RouteClass, limited
from daemon.web.files import load_page_files

VIEWS = (
    "/",
    "/login",
    "/cameras/{name}",
    "/events",
    "/events/{id}",
    "/search",
    "/ask",
    "/rules",
    "/rules/{name}",
    "/uploads",
    "/summary",
    "/health",
)
_PUBLIC = re.compile("|".join(re.sub(r"\{\w+\}", "[^/]+", view) for view in VIEWS) + "|/web/.+")

# Scripts and styles from this server only, none in the document, and no string ever becomes markup or script.
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
FOR_EVER = "public, max-age=31536000, immutable"


def is_page(method: str, path: str) -> bool:
    """Return whether a request is for the page or a file of it, for which no credentials are needed."""
    return method in ("GET", "HEAD") and _PUBLIC.fullmatch(path) is not None


def page_router() -> APIRouter:
    """Return the routes."""
    page = load_page_files()
    tag = f'"{page.version}"'
    router = APIRouter(dependencies=[limited(RouteClass.PAGE)], include_in_schema=False)

    async def index(request: Request) -> Response:
        """Return the page."""
        headers = {"cache-control": "no-cache", "content-security-policy": POLICY, "etag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body, encoding = page.index.encoded(request.headers)
        return Response(body, headers=headers | encoding, media_type=page.index.media_type)

    for view in VIEWS:
        router.add_api_route(view, index, methods=["GET", "HEAD"])

    @router.api_route("/web/{version}/{path:path}", methods=["GET", "HEAD"])
    async def file(request: Request, version: str, path: str) -> Response:
        """Return a file of the page; 404 for one of another version, which a page may ask for after an upgrade."""
        found = page.others.get(path) if version == page.version else None
        if found is None:
            raise HTTPException(404, "not_found")
        body, encoding = found.encoded(request.headers)
        return Response(body, headers={"cache-control": FOR_EVER} | encoding, media_type=found.media_type)

    return router
