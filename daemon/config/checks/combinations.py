"""Checks across several values. They read the plain data, so they also run if single values are invalid."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.config.checks.alerts import alert_mistakes, alert_oversights
from daemon.config.checks.over_time import when_mistakes, when_oversights
from daemon.config.checks.plain_data import Finding, chosen, described, mapping
from daemon.config.checks.zones import zone_mistakes, zone_oversights
from daemon.config.document import KeyPath
from daemon.config.editor_schema import nearest
from daemon.config.sections.cameras import UPLOADS
from daemon.config.sections.http import LOOPBACK
from workers.errors import ModelUnavailable
from workers.sources.decode.faces import load_detector


def mistakes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield combinations of values that make a configuration unusable."""
    yield from _unknown_events(data)
    yield from zone_mistakes(data)
    yield from when_mistakes(data)
    yield from alert_mistakes(data)
    for path, rule in _rules(data):
        if rule.get("threshold") is not None and rule.get("max_false_alerts") is not None:
            text = "threshold and max_false_alerts exclude each other"
            yield (*path, "threshold"), text, "remove one of the two"
        if rule.get("verify") is not None and not _has_verifier(data, path):
            hint = "name a server: `models: {verifier: {url: http://127.0.0.1:11434/v1, model: …}}`"
            yield (*path, "verify"), "there is no verifier", hint
    yield from _open_port(mapping(data.get("http")))
    yield from _outside_of_cluster(mapping(data.get("ray")))
    yield from _blind_detector(data)
    yield from _scopes(data)
    uploads = mapping(data.get("uploads"))
    if uploads and UPLOADS in mapping(data.get("cameras")):
        yield ("cameras", UPLOADS), "this name is reserved for uploads", "rename the camera"
    folder, done = uploads.get("folder"), uploads.get("done")
    if isinstance(folder, str) and isinstance(done, str) and Path(folder) == Path(done):
        yield ("uploads", "done"), "the same folder as uploads.folder", "set another folder for finished files"


def nothing_to_watch(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding if the daemon would have no input."""
    if data.get("cameras", {}) == {} and "uploads" not in data:
        yield (), "no input: neither cameras nor uploads", "add a camera with its url, or an upload folder"


def oversights(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield settings that are valid but probably wrong."""
    http = mapping(data.get("http"))
    if _is_open(http) and not http.get("tls") and not http.get("proxy"):
        yield ("http", "host"), "tokens are sent without encryption", "set http.tls, or use a reverse proxy with TLS"
    yield from zone_oversights(data)
    yield from when_oversights(data)
    yield from alert_oversights(data)
    cameras = mapping(data.get("cameras"))
    listed = [chosen(mapping(camera)) for camera in cameras.values()]
    if "uploads" in data or any(names is None for names in listed):
        return
    used = {name for names in listed for _, name in names or ()}
    for name, event in mapping(data.get("events")).items():
        if name not in used and "when" not in mapping(event):
            yield ("events", name), "no camera uses this event", "list it under a camera's `events`, or remove it"


def _outside_of_cluster(ray: Mapping[str, Any]) -> Iterator[Finding]:
    address = ray.get("address")
    if isinstance(address, str) and "://" in address:
        hint = "start a node here with `ray start --address=HEAD:6379`, and set HEAD:6379"
        yield (
            ("ray", "address"),
            "the daemon must run on a machine of the cluster, which Ray Client does not need",
            hint,
        )


def _unknown_events(data: Mapping[str, Any]) -> Iterator[Finding]:
    known = sorted(described(data))
    for name, camera in mapping(data.get("cameras")).items():
        for step, event in chosen(mapping(camera)) or ():
            if isinstance(event, str) and event in mapping(data.get("events")) and event not in known:
                text = f'"{event}" is made of other events, and not looked for by itself'
                yield ("cameras", name, "events", step), text, "remove it here: its `when` names the cameras"
            elif isinstance(event, str) and event not in known:
                hint = nearest(event, known) or f"events are {', '.join(known) or 'none'}"
                yield ("cameras", name, "events", step), f'no event is called "{event}"', hint


def _rules(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield every event and every override with its path."""
    for name, event in mapping(data.get("events")).items():
        yield ("events", name), mapping(event)
    for camera, settings in mapping(data.get("cameras")).items():
        for name, rule in mapping(mapping(settings).get("events")).items():
            yield ("cameras", camera, "events", name), mapping(rule)


def _has_verifier(data: Mapping[str, Any], path: KeyPath) -> bool:
    """Return whether an event, or its override on a camera, can be verified anywhere."""
    common, everywhere = mapping(data.get("models")).get("verifier"), path[0] == "events"
    cameras = mapping(data.get("cameras")).items()
    found = [mapping(camera).get("verifier") or common for name, camera in cameras if everywhere or name == path[1]]
    return any(verifier not in (None, "none") for verifier in (*found, common if everywhere else None))


def _open_port(http: Mapping[str, Any]) -> Iterator[Finding]:
    if _is_open(http) and not any(http.get(key) for key in ("token", "tokens", "proxy")):
        hint = 'add `token: "{WATCHWORD_TOKEN}"` below http:, or listen on 127.0.0.1'
        yield ("http", "host"), "listening on an address other than loopback needs a token or a proxy", hint


def _is_open(http: Mapping[str, Any]) -> bool:
    """Return whether other machines can connect."""
    host = http.get("host")
    return isinstance(host, str) and host not in LOOPBACK


def _scopes(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield tokens without exactly one secret, permissions without effect, and unknown cameras."""
    http, cameras = mapping(data.get("http")), sorted({*mapping(data.get("cameras")), "uploads"})
    proxy = mapping(http.get("proxy"))
    scopes: list[tuple[KeyPath, Mapping[str, Any]]] = [(("http", "proxy"), proxy)]
    for name, user in mapping(proxy.get("users")).items():
        scopes.append((("http", "proxy", "users", name), mapping(user)))
    if proxy.get("users") and (beside := sorted({"may", "cameras"} & proxy.keys())):
        yield ("http", "proxy", beside[0]), "has no effect if users are listed", "set it for each user below `users`"
    for name, token in mapping(http.get("tokens")).items():
        scopes.append((("http", "tokens", name), mapping(token)))
        if len({"token", "sha256"} & {k for k, v in mapping(token).items() if v is not None}) != 1:
            yield ("http", "tokens", name), "needs either token or sha256", 'add `token: "{WATCHWORD_…}"`'
    for path, scope in scopes:
        named = scope.get("cameras")
        for i, camera in enumerate(named if isinstance(named, list) else []):
            if isinstance(camera, str) and camera not in cameras:
                hint = nearest(camera, cameras) or f"cameras are {', '.join(cameras)}"
                yield (*path, "cameras", i), f'no camera is called "{camera}"', hint


def _blind_detector(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding if faces must be hidden but the detector is missing: no frame may pass unhidden."""
    wishes: list[tuple[KeyPath, Any]] = [(("privacy", "blur_faces"), mapping(data.get("privacy")).get("blur_faces"))]
    for name, camera in mapping(data.get("cameras")).items():
        wishes.append((("cameras", name, "blur_faces"), mapping(camera).get("blur_faces")))
    wanted = [path for path, wish in wishes if wish is True]
    if not wanted:
        return
    try:
        load_detector()
    except ModelUnavailable as error:
        yield wanted[0], error.message, error.hint
