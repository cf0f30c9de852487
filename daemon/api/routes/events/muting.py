"""The links in messages that mute: signed, so they need no token; programs that follow links change nothing."""

import time

from fastapi import APIRouter, Request, Response

from daemon.alerts.link_pages import confirm_page, done_page, refused_page
from daemon.alerts.links import MUTE_S, LinkRefused, Links, MuteRequest, link_key
from daemon.api.services import Api, ApiServices
from daemon.http.limits import RouteClass, limited

router = APIRouter(tags=["alerts"], dependencies=[limited(RouteClass.API)])


@router.get("/mute", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def ask(request: Request, api: Api) -> Response:
    """Return a page that asks whether to mute what the link is about."""
    try:
        wanted = _wanted(request, api)
    except LinkRefused as error:
        return _page(refused_page(error.message), 403)
    return _page(confirm_page(wanted.camera, wanted.event))


@router.post("/mute", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def mute(request: Request, api: Api) -> Response:
    """Send no alerts of what the link is about for an hour."""
    try:
        wanted = _wanted(request, api)
    except LinkRefused as error:
        return _page(refused_page(error.message), 403)
    until = time.time() + MUTE_S
    api.alerts.mute(wanted.camera, wanted.event, until)
    return _page(done_page(wanted.camera, wanted.event, time.strftime("%H:%M", time.localtime(until))))


def _wanted(request: Request, api: ApiServices) -> MuteRequest:
    links = Links(api.config().alerts.public_url, link_key(api.alerts_folder))
    return links.read_mute(request.query_params, time.time())


def _page(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/html")
