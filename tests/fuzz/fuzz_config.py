"""Fuzzing target: a configuration file. ``python tests/fuzz/fuzz_config.py [CORPUS…] [-runs=N]`` (libFuzzer's options).

Whatever stands in it, the answer is a configuration or problems that can be printed, and no secret is among them.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["daemon.config", "yaml"]):
    from daemon.config import Config, ConfigError, config_hash, load_config

SECRET = "pl4nted-s3cret"
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name, "c.yaml")


def one_input(data: bytes) -> None:
    """Read one input; any other exception than ``ConfigError`` is a finding."""
    FILE.write_bytes(data)
    found = _load()
    if isinstance(found, ConfigError):
        assert found.problems
        for problem in found.problems:
            _check(str(problem), problem.line, data)
        return
    assert all(found.event_specs(camera.name) for camera in found.camera_specs())
    config_hash(found)
    for camera in found.camera_specs():  # in a plain path it is none
        raw = camera.url.reveal()
        assert SECRET not in str(camera.url) or not ("://" in raw or "@" in raw), raw
    assert SECRET not in repr(found.redis) + repr(found.http)


def _load() -> Config | ConfigError:
    try:
        return load_config(FILE, {"X": SECRET})
    except ConfigError as error:
        return error


def _check(text: str, line: int, data: bytes) -> None:
    text.encode()
    breaks = sum(data.count(b) for b in (b"\n", b"\r", b"\x85", b"\xe2\x80"))
    assert 0 <= line <= breaks + 2, text
    assert "\x1b" not in text
    assert len(text) < 20_000, len(text)
    assert SECRET not in text or SECRET.encode() in data


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
