"""Mistakes that lie between values, looked for in the plain data, so that no other mistake hides them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.config.cameras import UPLOADS
from daemon.config.document import KeyPath
from daemon.config.editor_schema import nearest
from daemon.config.http import LOOPBACK
from workers.errors import ModelUnavailable
from workers.sources.faces import load_detector

Finding = tuple[KeyPath, str, str]
"""Where, what is wrong, what to do."""


def mistakes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what makes a configuration unusable although each value may be fine."""
    yield from _unknown_events(data)
    for path, rule in _rules(data):
        if rule.get("threshold") is not None and rule.get("max_false_alerts") is not None:
            text = "threshold and max_false_alerts exclude each other"
            yield (*path, "threshold"), text, "keep the budget, or the threshold"
    yield from _open_port(_mapping(data.get("http")))
    yield from _blind_detector(data)
    yield from _scopes(data)
    uploads = _mapping(data.get("uploads"))
    if uploads and UPLOADS in _mapping(data.get("cameras")):
        yield ("cameras", UPLOADS), "the name that all uploads share", "call the camera something else"
    folder, done = uploads.get("folder"), uploads.get("done")
    if isinstance(folder, str) and isinstance(done, str) and Path(folder) == Path(done):
        yield ("uploads", "done"), "the same folder as uploads.folder", "name another folder for what is done"


def nothing_to_watch(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding where a daemon would have no input."""
    if data.get("cameras", {}) == {} and "uploads" not in data:
        yield (), "neither cameras nor uploads", "add a camera with its url, or a folder of uploads"


def oversights(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is allowed but surely not meant."""
    http = _mapping(data.get("http"))
    if _is_open(http) and not http.get("tls") and not http.get("proxy"):
        yield ("http", "host"), "tokens can be read on their way", "set http.tls, or let a proxy with TLS ask here"
    cameras = _mapping(data.get("cameras"))
    chosen = [_chosen(_mapping(camera)) for camera in cameras.values()]
    if "uploads" in data or any(names is None for names in chosen):
        return
    used = {name for names in chosen for _, name in names or ()}
    for name in _mapping(data.get("events")):
        if name not in used:
            yield ("events", name), "no camera watches for this event", "name it under a camera, or remove it"


def _unknown_events(data: Mapping[str, Any]) -> Iterator[Finding]:
    known = sorted(_mapping(data.get("events")))
    for name, camera in _mapping(data.get("cameras")).items():
        for step, event in _chosen(_mapping(camera)) or ():
            if isinstance(event, str) and event not in known:
                hint = nearest(event, known) or f"events are {', '.join(known) or 'none'}"
                yield ("cameras", name, "events", step), f'no event is called "{event}"', hint


def _rules(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield every event and every override with its path."""
    for name, event in _mapping(data.get("events")).items():
        yield ("events", name), _mapping(event)
    for camera, settings in _mapping(data.get("cameras")).items():
        for name, rule in _mapping(_mapping(settings).get("events")).items():
            yield ("cameras", camera, "events", name), _mapping(rule)


def _open_port(http: Mapping[str, Any]) -> Iterator[Finding]:
    if _is_open(http) and not any(http.get(key) for key in ("token", "tokens", "proxy")):
        hint = 'add `token: "{WATCHWORD_TOKEN}"` below http:, or listen on 127.0.0.1'
        yield ("http", "host"), "listening beyond this machine needs a token or a proxy", hint


def _is_open(http: Mapping[str, Any]) -> bool:
    """Whether other machines can connect."""
    host = http.get("host")
    return isinstance(host, str) and host not in LOOPBACK


def _scopes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield tokens that are none or two, scopes of nobody, and cameras that nobody knows."""
    http, cameras = _mapping(data.get("http")), sorted({*_mapping(data.get("cameras")), "uploads"})
    proxy = _mapping(http.get("proxy"))
    scopes: list[tuple[KeyPath, Mapping[str, Any]]] = [(("http", "proxy"), proxy)]
    for name, user in _mapping(proxy.get("users")).items():
        scopes.append((("http", "proxy", "users", name), _mapping(user)))
    if proxy.get("users") and (beside := sorted({"may", "cameras"} & proxy.keys())):
        yield ("http", "proxy", beside[0]), "holds for nobody where users are listed", "say it for each of `users`"
    for name, token in _mapping(http.get("tokens")).items():
        scopes.append((("http", "tokens", name), _mapping(token)))
        if len({"token", "sha256"} & {k for k, v in _mapping(token).items() if v is not None}) != 1:
            yield ("http", "tokens", name), "needs either token or sha256", 'write `token: "{WATCHWORD_…}"`'
    for path, scope in scopes:
        named = scope.get("cameras")
        for i, camera in enumerate(named if isinstance(named, list) else []):
            if isinstance(camera, str) and camera not in cameras:
                hint = nearest(camera, cameras) or f"cameras are {', '.join(cameras)}"
                yield (*path, "cameras", i), f'no camera is called "{camera}"', hint


def _blind_detector(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding where faces are to be hidden but cannot be: none must pass for want of a package."""
    wishes: list[tuple[KeyPath, Any]] = [(("privacy", "blur_faces"), _mapping(data.get("privacy")).get("blur_faces"))]
    for name, camera in _mapping(data.get("cameras")).items():
        wishes.append((("cameras", name, "blur_faces"), _mapping(camera).get("blur_faces")))
    wanted = [path for path, wish in wishes if wish is True]
    if not wanted:
        return
    try:
        load_detector()
    except ModelUnavailable as error:
        yield wanted[0], error.message, error.hint


def _chosen(camera: Mapping[str, Any]) -> list[tuple[str | int, Any]] | None:
    """Return the events a camera names, each with its last path step; None: it takes all."""
    events = camera.get("events")
    if isinstance(events, dict):
        return [(name, name) for name in events]
    return list(enumerate(events)) if isinstance(events, list) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
