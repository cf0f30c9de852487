"""Fuzzing target: a configuration file. ``python tests/fuzz/fuzz_config.py [CORPUS…] [-runs=N]`` (libFuzzer's options).

Whatever stands in it, the answer is a configuration or problems that can be printed, and no secret is among them.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["daemon.config", "yaml"]):
    from daemon.config import ConfigError, config_hash, load_config

SECRET = "pl4nted-s3cret"
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name, "c.yaml")


def one_input(data: bytes) -> None:
    """Read one input; any other exception than ``ConfigError`` is a finding."""
    FILE.write_bytes(data)
    try:
        config = load_config(FILE, {"X": SECRET})
    except ConfigError as error:
        assert error.problems
        lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + 2
        for problem in error.problems:
            text = str(problem)
            text.encode()
            assert 0 <= problem.line <= lines + data.count(b"\xe2\x80"), text
            assert "\x1b" not in text
            assert len(text) < 20_000, len(text)
            assert SECRET not in text or SECRET.encode() in data
        return
    assert all(config.event_specs(camera.name) for camera in config.camera_specs())
    config_hash(config)
    assert SECRET not in repr(config)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
