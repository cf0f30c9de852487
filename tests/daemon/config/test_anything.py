"""Whatever stands in a file, the answer is a configuration or problems with lines, never another error."""

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.config import Config, ConfigError, load_config

TRIANGLE = [[0, 0], [1, 0], [0, 1]]
BASE: dict[str, Any] = {
    "redis": {"url": "embedded", "maxlen": 1000},
    "cameras": {
        "a": {"url": "a.mp4", "fps": 1, "events": ["cat", "dog"], "masks": [TRIANGLE], "zones": {"a": TRIANGLE}},
        "b": {"url": "b.mp4", "events": {"cat": {"threshold": 1}}},
    },
    "uploads": {"folder": "in", "done": "out"},
    "events": {
        "cat": {"describe": ["a cat"], "modalities": ["vision"], "max_false_alerts": "1/day"},
        "dog": {"describe": "a dog", "zone": "a"},
    },
    "http": {"host": "127.0.0.1", "port": 1},
    "speech": {"min_confidence": 0.5},
}
WORDS = [
    "cat",
    "a",
    "url",
    "events",
    "threshold",
    "1/day",
    "2s",
    "rtsp://u:p@h/{X}",
    "{NOPE}",
    "keyframes",
    "-1s",
    "0.0.0.0",
    "",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [p for key, value in pairs for p in [(*path, key), *_paths(value, (*path, key))]]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(_paths(BASE)), ANYTHING), min_size=1, max_size=3))
def test_any_change_gives_a_configuration_or_problems(
    tmp_path: Path, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    data = copy.deepcopy(BASE)
    for path, value in changes:
        place: Any = data
        for key in path[:-1]:
            place = place[key] if isinstance(place, dict) and key in place else {}
        if isinstance(place, dict):
            place[path[-1]] = value
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    lines = len(file.read_text(encoding="utf-8").splitlines())
    found = _load(file)
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(p.message and 0 <= p.line <= lines for p in found.problems)
        assert "planted-secret" not in str(found)
    else:
        assert all(found.event_specs(c.name) for c in found.camera_specs())
        assert "planted-secret" not in repr(found)


def _load(file: Path) -> Config | ConfigError:
    try:
        return load_config(file, {"X": "planted-secret"})
    except ConfigError as error:
        return error
