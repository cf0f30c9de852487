"""A camera that somebody may not see occurs nowhere in what is shown, whatever fields a snapshot has or will have."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from alignment.errors import WatchwordError
from daemon.http.access import Principal
from daemon.observability.health import health, ready
from daemon.observability.metrics import render_metrics
from daemon.observability.snapshot import CameraStatus, DaemonSnapshot, UploadsSnapshot
from tests.support.clocks import FakeClock
from tests.support.events import make_event
from workers.events.event import Event
from workers.telemetry import SECONDS, HistogramSnapshot

HIDDEN = "bedroom"


def filled(kind: Any, word: str, keys: str) -> Any:
    """Return a value of a type with nothing left out: texts are ``word``, texts in collections ``keys``."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return filled(next(k for k in inside if k is not NoneType), word, keys)
    if origin is Literal:
        return inside[-1]
    if origin in (dict, Mapping):
        return {filled(inside[0], keys, keys): filled(inside[1], keys, keys)}
    if origin in (tuple, list, set, frozenset):
        return origin(filled(k, keys, keys) for k in inside if k is not ...)
    if kind is HistogramSnapshot:  # its counts are one more than its bounds
        return HistogramSnapshot(SECONDS, (1,) * (len(SECONDS) + 1), 2.0)
    if kind is Event:  # what was found in a file
        return make_event(id=word, camera=word, event=keys, description=(keys,))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{f.name: filled(hints[f.name], word, keys) for f in fields(kind) if f.init})
    if issubclass(kind, Enum):
        return list(kind)[-1]
    if issubclass(kind, str | WatchwordError):
        return kind(word)
    return kind(1)


def snapshot() -> DaemonSnapshot:
    """Return a snapshot with every field filled. In what cameras share, a text in a collection counts as a name."""
    shared = filled(DaemonSnapshot, "shared", HIDDEN)
    uploads = filled(UploadsSnapshot, "uploads", "uploads")  # whose names are those of files, for who may see uploads
    return replace(
        shared, uploads=uploads, cameras=tuple(filled(CameraStatus, name, name) for name in ("door", HIDDEN))
    )


def shown(seen: DaemonSnapshot) -> dict[str, str]:
    clock = FakeClock()
    reports = {name: json.dumps(check(seen, clock).as_json()) for name, check in (("health", health), ("ready", ready))}
    return reports | {"metrics": render_metrics(seen).decode(), "repr": repr(seen)}


def test_every_field_of_a_camera_is_filled() -> None:
    """Else the next test would show nothing."""
    camera = snapshot().cameras[1]
    for record in (camera, camera.stream, camera.stream.source):
        assert all(getattr(record, f.name) for f in fields(record))


@pytest.mark.parametrize("place", ["health", "ready", "metrics", "repr"])
def test_a_token_for_one_camera_learns_of_no_other(place: str) -> None:
    assert HIDDEN in shown(Principal("all").view(snapshot()))[place]
    text = shown(Principal("door", cameras=frozenset({"door", "uploads"})).view(snapshot()))[place]
    assert "door" in text
    assert HIDDEN not in text
